//! What other tools are to be told of a spec: files, the same for the same spec.
//!
//! [`Target`] is the table of tools. Each has a module with its options and a function that turns a
//! [`Source`] into [`Artifact`]s; [`mark`] says of each file where it comes from.

pub mod argo;
mod argo_routes;
mod canary;
pub mod document;
mod environment;
pub mod envoy;
pub mod evidence;
pub mod flagger;
pub mod grafana;
pub mod istio;
pub mod mark;
pub mod prometheus;
pub mod routing;
pub mod worker;

use serin_core::{Plan, Spec};

/// A spec to export from, in all its forms.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What people call it: the file's path as given, for the comment that says what to edit.
    pub name: &'a str,
    /// The document as hosts get it.
    pub json: &'a str,
    /// The document, typed.
    pub spec: &'a Spec,
    /// What it compiles to.
    pub plan: &'a Plan,
}

/// A file that came of a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Its path below the folder that is written to, with `/` between segments.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// Why a spec can't be exported to a target: one sentence that begins with the place in the spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(pub String);

/// A tool to export to, with what it needs to know beside the spec.
#[derive(Clone, Debug)]
pub enum Target {
    /// Envoy's filter, routes and labels.
    Envoy(envoy::Options),
    /// Istio's and the Gateway API's resources.
    Istio(istio::Options),
    /// A Cloudflare Worker's configuration.
    Worker(worker::Options),
    /// Argo Rollouts' resources.
    Argo(argo::Options),
    /// Flagger's resources.
    Flagger(flagger::Options),
    /// Rules for Prometheus.
    Prometheus(prometheus::Options),
    /// A dashboard for Grafana.
    Grafana(grafana::Options),
}

impl Target {
    /// As it stands behind `serin export`.
    pub fn name(&self) -> &'static str {
        match self {
            Target::Envoy(_) => "envoy",
            Target::Istio(_) => "istio",
            Target::Worker(_) => "worker",
            Target::Argo(_) => "argo",
            Target::Flagger(_) => "flagger",
            Target::Prometheus(_) => "prometheus",
            Target::Grafana(_) => "grafana",
        }
    }

    /// The files that the spec gives, sorted by path; or everything that keeps it from giving them.
    pub fn artifacts(&self, source: &Source<'_>) -> Result<Vec<Artifact>, Vec<Problem>> {
        let mut artifacts = match self {
            Target::Envoy(options) => envoy::artifacts(source, options),
            Target::Istio(options) => istio::artifacts(source, options),
            Target::Worker(options) => worker::artifacts(source, options),
            Target::Argo(options) => argo::artifacts(source, options),
            Target::Flagger(options) => flagger::artifacts(source, options),
            Target::Prometheus(options) => prometheus::artifacts(source, options),
            Target::Grafana(options) => grafana::artifacts(source, options),
        }?;
        artifacts.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(artifacts)
    }
}
