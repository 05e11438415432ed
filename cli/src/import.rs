//! `serin import`: other tools' rollouts as a spec.

use crate::arguments::parse_timestamp;
use crate::document;
use crate::failure::Failure;
use crate::input;
use clap::{Args, Subcommand};
use serin_fleet::import::{self, Note, Options, Tool};
use std::path::PathBuf;

/// What `serin import --help` ends with.
const HELP: &str = "\
The spec goes to standard output. Standard error lists, with their lines, the fields that were translated
differently and those without a counterpart; every field is either imported or listed. A file may contain
several documents, as kustomize and helm print them.

Exit codes: 0 imported; 1 the file is not YAML, has no rollout, or its rollouts contradict each other;
2 wrong usage or a file that cannot be read or written.

Examples:
  serin import argo rollout.yaml > spec.yaml
  kustomize build . | serin import flagger - --out spec.yaml --start 2026-11-21T09:00:00Z";

/// The tool to import from.
#[derive(Subcommand)]
pub(crate) enum ImportCommand {
    /// Argo Rollouts: steps, pauses, header and mirror routes, analyses, blue-green
    Argo(ImportArgs),
    /// Flagger: weights, iterations, matches, mirrors, session affinity, metrics
    Flagger(ImportArgs),
}

#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct ImportArgs {
    /// The manifests, in YAML or JSON; - is standard input
    file: PathBuf,
    /// Write the spec to this file [default: standard output]
    #[arg(long, value_name = "SPEC")]
    out: Option<PathBuf>,
    /// The start of the first step, in RFC 3339 [default: in 2100, so that no step begins by itself]
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    start: Option<String>,
}

pub(crate) fn run(command: &ImportCommand) -> Result<(), Failure> {
    let (tool, args) = match command {
        ImportCommand::Argo(args) => (Tool::Argo, args),
        ImportCommand::Flagger(args) => (Tool::Flagger, args),
    };
    let name = input::name(&args.file);
    let bytes = input::read(&args.file)?;
    let text = document::text(&bytes).map_err(|error| Failure::spec(format!("{name}: {error}")))?;
    let options = Options { name: name.clone(), start: args.start.clone() };
    let lines = |notes: &[Note]| {
        notes.iter().map(|note| format!("{name}:{note}")).collect::<Vec<_>>().join("\n")
    };
    let import = import::import(tool, text, &options)
        .map_err(|failure| Failure::spec(lines(&failure.notes)))?;
    if !import.notes.is_empty() {
        eprintln!("{}", lines(&import.notes));
    }
    match &args.out {
        None => print!("{}", import.spec),
        Some(out) => std::fs::write(out, &import.spec).map_err(|error| {
            Failure::trouble(format!("{}: cannot be written: {error}", out.display()))
        })?,
    }
    Ok(())
}

/// Checks a timestamp, and keeps it as it is written.
fn timestamp(text: &str) -> Result<String, String> {
    parse_timestamp(text).map(|_| text.to_owned())
}
