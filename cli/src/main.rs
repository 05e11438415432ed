//! The `serin` command. Each command has a file or folder of its own, with its arguments; what several
//! commands need has a module beside them, and none of those imports a command.

#![cfg_attr(
    not(feature = "tools"),
    allow(dead_code, reason = "what several commands share is used in full only by all of them")
)]

mod arguments;
#[cfg(feature = "tools")]
mod bench_filter;
#[cfg(feature = "tools")]
mod check;
mod clock;
#[cfg(feature = "demo")]
mod demo;
mod diagnostics;
#[cfg(feature = "tools")]
mod diff;
mod document;
#[cfg(feature = "network")]
mod drift;
#[cfg(feature = "tools")]
mod drill;
#[cfg(feature = "tools")]
mod explain;
#[cfg(feature = "tools")]
mod export;
mod failure;
#[cfg(feature = "network")]
mod fetch;
mod filter;
#[cfg(feature = "tools")]
mod import;
mod input;
#[cfg(feature = "tools")]
mod latches_file;
#[cfg(feature = "tools")]
mod lines;
mod number_format;
mod override_keys;
#[cfg(feature = "tools")]
mod overrides;
#[cfg(feature = "network")]
mod package;
mod proxy;
#[cfg(feature = "tools")]
mod replay_audit;
#[cfg(feature = "tools")]
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
    #[cfg(feature = "tools")]
    Check(check::CheckArgs),
    /// Print the JSON Schema of specs, for editors
    #[cfg(feature = "tools")]
    Schema,
    /// Say what a change does before it ships: who moves, from where to where
    #[cfg(feature = "tools")]
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
    #[cfg(feature = "tools")]
    Explain(explain::ExplainArgs),
    /// Serve a spec: an HTTP proxy that runs the filter on every request
    ///
    /// Keys for testers' tokens come from the environment, SERIN_OVERRIDE_KEYS; see `serin override`.
    /// So does what docs/gates.md lists: where gates read aborts and whom they tell, by clusters that
    /// --cluster names.
    Serve(serve::ServeArgs),
    /// Write what other tools are to be told of a spec: Envoy, Istio, Cloudflare, Argo, Prometheus, …
    #[cfg(feature = "tools")]
    #[command(subcommand, after_help = export::HELP)]
    Export(export::ExportCommand),
    /// Make a spec of other tools' rollouts: Argo Rollouts, Flagger
    #[cfg(feature = "tools")]
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Make and check tokens that force arms and variants for testers
    #[cfg(feature = "tools")]
    #[command(subcommand)]
    Override(overrides::OverrideCommand),
    /// Practise: a rollout in the simulator with faults, and what its gates make of them
    #[cfg(feature = "tools")]
    Drill(drill::DrillArgs),
    /// Decide once more what gates decided by themselves, from their audit records
    #[cfg(feature = "tools")]
    ReplayAudit(replay_audit::ReplayAuditArgs),
    /// Show it all: two upstreams, an example spec, real requests through the real filter
    #[cfg(feature = "demo")]
    Demo(demo::DemoArgs),
    /// Measure what a request costs in the filter: fuel, host calls, memory
    #[cfg(feature = "tools")]
    #[command(hide = true)]
    BenchFilter(bench_filter::BenchFilterArgs),
}

fn main() -> ExitCode {
    end_quietly_without_a_reader();
    let outcome = match Cli::parse().command {
        #[cfg(feature = "tools")]
        Command::Check(args) => check::run(&args),
        #[cfg(feature = "tools")]
        Command::Schema => schema::run(),
        #[cfg(feature = "tools")]
        Command::Diff(args) => diff::run(&args),
        #[cfg(feature = "network")]
        Command::Drift(args) => drift::run(&args),
        #[cfg(feature = "network")]
        Command::Package(args) => package::run(&args),
        #[cfg(feature = "tools")]
        Command::Explain(args) => explain::run(&args),
        Command::Serve(args) => serve::run(args),
        #[cfg(feature = "tools")]
        Command::Import(command) => import::run(&command),
        #[cfg(feature = "tools")]
        Command::Override(command) => overrides::run(&command),
        #[cfg(feature = "tools")]
        Command::Drill(args) => drill::run(&args),
        #[cfg(feature = "tools")]
        Command::Export(command) => export::run(command),
        #[cfg(feature = "tools")]
        Command::ReplayAudit(args) => replay_audit::run(&args),
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::run(&args),
        #[cfg(feature = "tools")]
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
