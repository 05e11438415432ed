//! The command line.

mod arms;
mod check;
mod demo;
mod demo_upstream;
mod explain;
mod filter;
mod measure;
mod overrides;
mod paint;
mod schema;
mod serve;
mod spec_file;

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// A spec that cannot be used, or a token.
const SPEC_ERRORS: u8 = 1;
/// Wrong usage, or something in the way: a file, a port, a filter.
const TROUBLE: u8 = 2;

/// Decides at the edge who gets which version and which feature.
///
/// Exit codes: 0 all is well, 1 a spec has errors or a token would be ignored, 2 wrong usage or a file, port or filter that
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
    Check(CheckArgs),
    /// Print the JSON Schema of specs, for editors
    Schema,
    /// Explain what a request gets, step by step, and why
    Explain(ExplainArgs),
    /// Serve a spec: an HTTP proxy that runs the filter on every request
    ///
    /// Keys for testers' tokens come from the environment, SERIN_OVERRIDE_KEYS; see `serin override`.
    /// So does what docs/gates.md lists: where gates read aborts and whom they tell, by clusters that
    /// --cluster names.
    Serve(ServeArgs),
    /// Make and check tokens that force arms and variants for testers
    #[command(subcommand)]
    Override(overrides::OverrideCommand),
    /// Show it all: two upstreams, an example spec, real requests through the real filter
    Demo(DemoArgs),
    /// Measure what a request costs in the filter: fuel, host calls, memory
    #[command(hide = true)]
    BenchFilter(MeasureArgs),
}

#[derive(Args)]
#[command(after_help = check::HELP)]
struct CheckArgs {
    /// Files to check; - is standard input
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    /// How to print: text for people, json for tools, sarif (2.1.0) for code scanning
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: check::Format,
    /// Exit with 1 for warnings too; notes never count
    #[arg(long)]
    deny_warnings: bool,
    /// A warning to leave out, by the name in its brackets; may be repeated
    #[arg(long, value_name = "NAME", value_parser = check::parse_lint)]
    allow: Vec<&'static str>,
    /// The moment to check for: what has expired, which step is in force; RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = explain::parse_moment)]
    at: Option<serin_core::Timestamp>,
    /// List the flags in place of checking: by kind, what has expired, what is fully rolled out
    #[arg(long, conflicts_with = "against")]
    debt: bool,
    /// Say whom the step from this older spec to SPEC moves, in place of checking
    #[arg(long, value_name = "OLD")]
    against: Option<PathBuf>,
}

#[derive(Args)]
struct ExplainArgs {
    /// The spec, in YAML or JSON; - is standard input
    spec: PathBuf,
    /// The request: a method and a URL, or just a URL
    #[arg(long, value_name = "'METHOD URL'", value_parser = explain::parse_request)]
    request: explain::AskedRequest,
    /// A header of the request
    #[arg(short = 'H', long = "header", value_name = "'NAME: VALUE'", value_parser = explain::parse_header)]
    headers: Vec<(String, String)>,
    /// What a host knows beside the request: ip, country, region, city, asn, colo or jwt.CLAIM
    #[arg(long = "fact", value_name = "NAME=VALUE", value_parser = explain::parse_fact)]
    facts: Vec<(String, String)>,
    /// A token that forces arms or variants, as if the request carried it. The keys come from the
    /// environment, SERIN_OVERRIDE_KEYS
    #[arg(long = "override", value_name = "TOKEN")]
    token: Option<String>,
    /// The moment of the decision, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = explain::parse_moment)]
    at: Option<serin_core::Timestamp>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct ServeArgs {
    /// The spec, in YAML or JSON; taken over anew whenever the file changes
    spec: PathBuf,
    /// Where an arm's requests go. NAME is ROLLOUT.ARM, the arm's target, or the arm's name; the
    /// first of these that is given counts
    #[arg(long = "arm", value_name = "NAME=URL", value_parser = arms::parse)]
    arms: Vec<arms::Named>,
    /// Where requests without a rollout go [default: the baseline, if there is just one rollout]
    #[arg(long, value_name = "URL", value_parser = arms::parse_url)]
    default: Option<crate::proxy::Upstream>,
    /// An upstream for HTTP calls that the filter makes itself
    #[arg(long = "cluster", value_name = "NAME=URL", value_parser = arms::parse)]
    clusters: Vec<arms::Named>,
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The filter to run, in place of the one inside
    #[arg(long, value_name = "FILE")]
    filter: Option<PathBuf>,
    /// Worker VMs [default: one per processor, at most 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: Option<u16>,
    /// How long an upstream may take to begin its response
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    timeout: Duration,
    /// Evaluate flags for apps by the OpenFeature Remote Evaluation Protocol, at PREFIX/ofrep/v1
    #[arg(long, value_name = "PREFIX", num_args = 0..=1, require_equals = true, default_missing_value = "/")]
    ofrep: Option<String>,
}

#[derive(Args)]
struct DemoArgs {
    /// Keep running, to try requests by hand
    #[arg(long)]
    stay: bool,
    /// The filter to run, in place of the one inside
    #[arg(long, value_name = "FILE")]
    filter: Option<PathBuf>,
}

#[derive(Args)]
struct MeasureArgs {
    /// The spec the filter is configured with
    spec: PathBuf,
    /// The filter to run, in place of the one inside
    #[arg(long, value_name = "FILE")]
    filter: Option<PathBuf>,
    /// The request's host
    #[arg(long, default_value = "shop.example.com")]
    host: String,
    /// The request's path
    #[arg(long, default_value = "/")]
    path: String,
    /// Headers of the request
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// How many requests to average over
    #[arg(long, default_value = "1000")]
    requests: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) use paint::note;

/// Why a command ends early, with the code to leave with.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    fn spec(message: impl Into<String>) -> Self {
        Self { code: SPEC_ERRORS, message: message.into() }
    }

    fn trouble(message: impl Into<String>) -> Self {
        Self { code: TROUBLE, message: message.into() }
    }
}

pub(crate) fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Check(args) => check::run(&args),
        Command::Schema => schema::run(),
        Command::Explain(args) => explain::run(&args),
        Command::Serve(args) => serve::run(args),
        Command::Override(command) => overrides::run(&command),
        Command::Demo(args) => demo::run(&args),
        Command::BenchFilter(args) => measure::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                paint::error(&failure.message);
            }
            ExitCode::from(failure.code)
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text} is not a number"))?;
    if !(0.001..=86_400.0).contains(&seconds) {
        return Err(format!("{text} is not between 0.001 and 86400 seconds"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn seconds_are_bounded() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["", "x", "0", "-1", "1e9", "NaN"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
