//! The `serin` command. Each command is a file or folder, with its arguments. Modules that several
//! commands share import none of them.

mod arguments;
mod bench_filter;
mod check;
mod clock;
mod demo;
mod diagnostics;
mod diff;
mod document;
mod drift;
mod drill;
mod explain;
mod export;
mod failure;
mod fetch;
mod filter;
mod import;
mod input;
mod latches_file;
mod lines;
mod number_format;
mod override_keys;
mod overrides;
mod package;
mod proxy;
mod replay_audit;
mod schema;
mod serve;
mod spec_file;
mod style;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The exit code after a broken pipe: that of a program that SIGPIPE ended, 128 + 13.
const BROKEN_PIPE: i32 = 141;

/// Feature flags and canary routing for Envoy, Istio and Cloudflare.
///
/// Exit codes: 0 success; 1 a spec has errors, or a check found something; 2 wrong usage, or a file, port or
/// filter that cannot be used. `serin COMMAND --help` lists what a command checks.
#[derive(Parser)]
#[command(name = "serin", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check specs: every error and warning, with its line
    Check(check::CheckArgs),
    /// Print the JSON Schema of specs, for editors
    Schema,
    /// Compare two specs: how many units a change moves, from where to where
    Diff(diff::DiffArgs),
    /// Compare a spec with what the hosts run: revision, digest, differences, aborts in force
    Drift(drift::DriftArgs),
    /// Package the filter as an OCI artifact, in a folder or a registry
    ///
    /// Prints the digest; with --push, the url for Istio's WasmPlugin.
    Package(package::PackageArgs),
    /// Explain the decision about one request, step by step
    Explain(explain::ExplainArgs),
    /// Serve a spec: an HTTP proxy that runs the filter on every request
    ///
    /// Environment: SERIN_OVERRIDE_KEYS are the keys of override tokens, see `serin override`. The
    /// variables of gates (latch source, webhook) are listed in docs/gates.md; the clusters that they name
    /// are given with --cluster.
    Serve(serve::ServeArgs),
    /// Export a spec as other tools' configuration: Envoy, Istio, Cloudflare, Argo, Prometheus, …
    #[command(subcommand, after_help = export::HELP)]
    Export(export::ExportCommand),
    /// Import other tools' rollouts as a spec: Argo Rollouts, Flagger
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Sign and verify override tokens, which force arms and variants for testers
    #[command(subcommand)]
    Override(overrides::OverrideCommand),
    /// Simulate a rollout with faults, and report how its gates react
    Drill(drill::DrillArgs),
    /// Replay the verdicts of gates from their audit records
    ReplayAudit(replay_audit::ReplayAuditArgs),
    /// Run an example: two upstreams, a spec, and real requests through the real filter
    Demo(demo::DemoArgs),
    /// Measure the cost of a request in the filter: fuel, host calls, memory
    #[command(hide = true)]
    BenchFilter(bench_filter::BenchFilterArgs),
}

fn main() -> ExitCode {
    exit_quietly_on_broken_pipe();
    let outcome = match Cli::parse().command {
        Command::Check(args) => check::run(&args),
        Command::Schema => schema::run(),
        Command::Diff(args) => diff::run(&args),
        Command::Drift(args) => drift::run(&args),
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

/// Makes a broken pipe end the process without a message, as in `serin … | head`. The standard library
/// panics when it cannot print.
fn exit_quietly_on_broken_pipe() {
    let default_hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or_default();
        if message.starts_with("failed printing to std") && message.contains("Broken pipe") {
            std::process::exit(BROKEN_PIPE);
        }
        default_hook(panic);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_of_all_commands_are_consistent() {
        Cli::command().debug_assert();
    }
}
