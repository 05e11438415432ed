//! `serin export`: a spec as the configuration of other tools.

mod argo;
mod common;
mod envoy;
mod flagger;
mod istio;
mod monitoring;
mod output;
mod worker;

use crate::failure::Failure;
use crate::{diagnostics, input, sizes, spec_file, style};
use clap::Subcommand;
use serin_core::Spec;
use serin_fleet::export::{Artifact, Cause, Problem, Source, mark};

/// What `serin export --help` ends with.
pub(crate) const HELP: &str = "\
Without --out all files go to standard output, each as a document that begins with --- and the file's
name. Equal specs and options give equal bytes. No file contains a secret.

Exit codes: 0 exported; 1 the spec has errors or lacks something that the tool needs, or --check found
files that differ; 2 wrong usage or a file that cannot be read or written.

Examples:
  serin export envoy spec.yaml --out envoy
  serin export envoy spec.yaml --bootstrap --upstream shop-stable=10.0.0.1:80 \\
    --upstream shop-canary=10.0.0.2:80 --only envoy.yaml > envoy.yaml";

/// The tool to export to.
#[derive(Subcommand)]
pub(crate) enum ExportCommand {
    /// Envoy: the filter, routes, metric labels; optionally ECDS delivery or a whole configuration
    Envoy(envoy::EnvoyArgs),
    /// Istio: the filter as an extension, VirtualServices or HTTPRoutes, subsets, metric labels
    Istio(istio::IstioArgs),
    /// Cloudflare: the Worker's wrangler.jsonc, and the spec for its code or for KV
    Worker(worker::WorkerArgs),
    /// Argo Rollouts: steps that scale the pods, and an analysis of the fleet's evidence
    Argo(argo::ArgoArgs),
    /// Flagger: a Canary that leaves routing to Serin, metrics of the fleet's evidence, webhooks
    Flagger(flagger::FlaggerArgs),
    /// Prometheus: rules that record the fleet's evidence and alert on it
    Prometheus(monitoring::PrometheusArgs),
    /// Grafana: a dashboard of arms, errors and evidence
    Grafana(monitoring::GrafanaArgs),
}

pub(crate) fn run(command: ExportCommand) -> Result<(), Failure> {
    let (common, target) = match command {
        ExportCommand::Envoy(args) => args.split(),
        ExportCommand::Istio(args) => args.split(),
        ExportCommand::Worker(args) => args.split(),
        ExportCommand::Argo(args) => args.split(),
        ExportCommand::Flagger(args) => args.split(),
        ExportCommand::Prometheus(args) => args.split(),
        ExportCommand::Grafana(args) => args.split(),
    };
    let name = common.spec.display().to_string();
    let text = input::read_spec(&common.spec)?;
    let file = spec_file::parse(&common.spec, &text)?;
    // A host would isolate these flags. In an export they are errors.
    let refused = || match diagnostics::errors(&common.spec, &text) {
        shown if shown.is_empty() => Failure::spec(file.plan.isolated().to_string()),
        shown => Failure::spec(shown),
    };
    if !file.plan.isolated().is_empty() {
        return Err(refused());
    }
    let spec = Spec::from_json(&file.json).map_err(|_| refused())?;
    let json = std::str::from_utf8(&file.json).map_err(|_| refused())?;
    let source = Source { name: &name, json, spec: &spec, plan: &file.plan };
    let mut artifacts = target.artifacts(&source).map_err(|problems| problem(&name, &problems))?;
    if let Some(only) = &common.only {
        let names: Vec<&str> = artifacts.iter().map(|artifact| artifact.path.as_str()).collect();
        let names = names.join(", ");
        artifacts.retain(|artifact| artifact.path == *only);
        if artifacts.is_empty() {
            let target = target.name();
            return Err(Failure::trouble(format!(
                "--only: the export to {target} has no file {only}, use {names}"
            )));
        }
    }
    warn_of_sizes(&artifacts, &source);
    let Some(path) = &common.out else { return output::print(&artifacts) };
    let own = common.only.is_none().then(|| mark::made_by(target.name()));
    let folder = output::Folder { path, own };
    if common.check {
        return output::check(&folder, &artifacts);
    }
    output::write(&folder, &artifacts)
}

/// Warns of objects that Kubernetes refuses, or soon will.
fn warn_of_sizes(artifacts: &[Artifact], source: &Source<'_>) {
    for artifact in artifacts {
        let Some(oversize) = artifact.stored.and_then(|stored| stored.oversize()) else { continue };
        let object = match artifact.stored.and_then(|stored| stored.data) {
            Some(_) => "in a ConfigMap it has",
            None => "its largest object has",
        };
        style::warning(&format!(
            "{}: {object} {}: {}; {}",
            artifact.path,
            sizes::message(oversize),
            oversize.limit.remedy(),
            sizes::largest(source)
        ));
    }
}

/// The failure that lists the problems of an export, one a line.
fn problem(name: &str, problems: &[Problem]) -> Failure {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| match problem.cause {
            Cause::Options(_) => problem.to_string(),
            Cause::Spec(_) => format!("{name}: {problem}"),
        })
        .collect();
    Failure::spec(lines.join("\n       "))
}
