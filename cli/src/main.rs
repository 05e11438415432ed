//! The `serin` command. Each command has a file or folder of its own, with its arguments; what several
//! commands need has a module beside them, and none of those imports a command.

mod arguments;
mod bench_filter;
mod check;
mod clock;
mod demo;
mod diagnostics;
mod diff;
mod document;
#[cfg(feature = "network")]
mod drift;
mod drill;
mod explain;
mod export;
mod failure;
#[cfg(feature = "network")]
mod fetch;
mod filter;
mod import;
mod input;
mod latches_file;
mod lines;
mod number_format;
mod override_keys;
mod overrides;
#[cfg(feature = "network")]
mod package;
mod proxy;
mod replay_audit;
mod schema;
mod serve;
mod spec_file;
mod style;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The exit code without a reader: what shells give a program that SIGPIPE ended, 128 and its number.
const NO_READER: i32 = 141;

/// Decides at the edge who gets which version and which feature.
///
/// Exit codes: 0 all is well, 1 a spec has errors, a token would be ignored or a record differs, 2 wrong usage or a file, port or filter that
/// cannot be used.
#[derive(Parser)]
#[command(name = "serin", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check specs, in YAML or JSON: every error and warning with its place
    Check(check::CheckArgs),
    /// Print the JSON Schema of specs, for editors
    Schema,
    /// Say what a change does before it ships: who moves, from where to where
    Diff(diff::DiffArgs),
    /// Hold what hosts run against a spec: revision, digest, what differs, aborts in force
    ///
    /// The token for status pages comes from the environment, SERIN_STATUS_TOKEN.
    #[cfg(feature = "network")]
    Drift(drift::DriftArgs),
    /// Package the filter as an OCI artifact, into a folder or to a registry
    ///
    /// Prints what the url of Istio's WasmPlugin takes.
    #[cfg(feature = "network")]
    Package(package::PackageArgs),
    /// Explain what a request gets, step by step, and why
    Explain(explain::ExplainArgs),
    /// Serve a spec: an HTTP proxy that runs the filter on every request
    ///
    /// Keys for testers' tokens come from the environment, SERIN_OVERRIDE_KEYS; see `serin override`.
    /// So does what docs/gates.md lists: where gates read aborts and whom they tell, by clusters that
    /// --cluster names.
    Serve(serve::ServeArgs),
    /// Write what other tools are to be told of a spec: Envoy, Istio, Cloudflare, Argo, Prometheus, …
    #[command(subcommand, after_help = export::HELP)]
    Export(export::ExportCommand),
    /// Make a spec of other tools' rollouts: Argo Rollouts, Flagger
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Make and check tokens that force arms and variants for testers
    #[command(subcommand)]
    Override(overrides::OverrideCommand),
    /// Practise: a rollout in the simulator with faults, and what its gates make of them
    Drill(drill::DrillArgs),
    /// Decide once more what gates decided by themselves, from their audit records
    ReplayAudit(replay_audit::ReplayAuditArgs),
    /// Show it all: two upstreams, an example spec, real requests through the real filter
    Demo(demo::DemoArgs),
    /// Measure what a request costs in the filter: fuel, host calls, memory
    #[command(hide = true)]
    BenchFilter(bench_filter::BenchFilterArgs),
}

fn main() -> ExitCode {
    end_quietly_without_a_reader();
    let outcome = match Cli::parse().command {
        Command::Check(args) => check::run(&args),
        Command::Schema => schema::run(),
        Command::Diff(args) => diff::run(&args),
        #[cfg(feature = "network")]
        Command::Drift(args) => drift::run(&args),
        #[cfg(feature = "network")]
        Command::Package(args) => package::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Serve(args) => serve::run(args),
        Command::Import(command) => import::run(&command),
        Command::Override(command) => overrides::run(&command),
        Command::Drill(args) => drill::run(&args),
        Command::Export(command) => export::run(command),
        Command::ReplayAudit(args) => replay_audit::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::BenchFilter(args) => bench_filter::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// `serin … | head` has seen enough: nothing went wrong. The standard library's printing knows no other way
/// than a panic.
fn end_quietly_without_a_reader() {
    let otherwise = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or_default();
        if text.starts_with("failed printing to std") && text.contains("Broken pipe") {
            std::process::exit(NO_READER);
        }
        otherwise(panic);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
