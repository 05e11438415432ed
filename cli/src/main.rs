//! The `serin` command. Each command is a file or folder, with its arguments. Modules that several
//! commands share import none of them.

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
mod id_keys;
#[cfg(feature = "tools")]
mod import;
#[cfg(feature = "tools")]
mod init;
mod input;
#[cfg(feature = "tools")]
mod latches_file;
#[cfg(feature = "tools")]
mod lines;
mod number_format;
#[cfg(feature = "tools")]
mod output_file;
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
#[cfg(feature = "tools")]
mod sizes;
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
    /// Write a first spec, from flags or from a few questions
    #[cfg(feature = "tools")]
    Init(init::InitArgs),
    /// Check specs: every error and warning, with its line
    #[cfg(feature = "tools")]
    Check(check::CheckArgs),
    /// Print the JSON Schema of specs, for editors
    #[cfg(feature = "tools")]
    Schema,
    /// Compare two specs: how many units a change moves, from where to where
    #[cfg(feature = "tools")]
    Diff(diff::DiffArgs),
    /// Compare a spec with what the hosts run: revision, digest, differences, aborts in force
    #[cfg(feature = "network")]
    Drift(drift::DriftArgs),
    /// Package the filter as an OCI artifact, in a folder or a registry
    ///
    /// Prints the digest; with --push, the url for Istio's WasmPlugin.
    #[cfg(feature = "network")]
    Package(package::PackageArgs),
    /// Explain the decision about one request, step by step
    #[cfg(feature = "tools")]
    Explain(explain::ExplainArgs),
    /// Serve a spec: an HTTP proxy that runs the filter on every request
    ///
    /// Environment: SERIN_OVERRIDE_KEYS are the keys of override tokens, see `serin override`. SERIN_ID_KEY
    /// has the keys that sign anonymous ids. The variables of gates (latch source, webhook) are listed in
    /// docs/gates.md; the clusters that they name are given with --cluster.
    Serve(serve::ServeArgs),
    /// Export a spec as other tools' configuration: Envoy, Istio, Cloudflare, Argo, Prometheus, …
    #[command(subcommand, after_help = export::HELP)]
    #[cfg(feature = "tools")]
    Export(export::ExportCommand),
    /// Import other tools' rollouts as a spec: Argo Rollouts, Flagger
    #[command(subcommand)]
    #[cfg(feature = "tools")]
    Import(import::ImportCommand),
    /// Sign and verify override tokens, which force arms and variants for testers
    #[command(subcommand)]
    #[cfg(feature = "tools")]
    Override(overrides::OverrideCommand),
    /// Simulate a rollout with faults, and report how its gates react
    #[cfg(feature = "tools")]
    Drill(drill::DrillArgs),
    /// Replay the verdicts of gates from their audit records
    #[cfg(feature = "tools")]
    ReplayAudit(replay_audit::ReplayAuditArgs),
    /// Run an example: two upstreams, a spec, and real requests through the real filter
    #[cfg(feature = "demo")]
    Demo(demo::DemoArgs),
    /// Measure the cost of a request in the filter: fuel, host calls, memory
    #[command(hide = true)]
    #[cfg(feature = "tools")]
    BenchFilter(bench_filter::BenchFilterArgs),
}

fn main() -> ExitCode {
    exit_quietly_on_broken_pipe();
    let outcome = match Cli::parse().command {
        #[cfg(feature = "tools")]
        Command::Init(args) => init::run(&args),
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
