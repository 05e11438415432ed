//! The `serin` command: checks specs, serves them through the real filter, shows a demo.

mod arms;
mod check;
mod demo;
mod demo_upstream;
mod diff;
mod drift;
mod drill;
mod explain;
mod export;
mod fetch;
mod figures;
mod filter;
mod import;
mod latches;
mod lines;
mod measure;
mod overrides;
mod package;
mod paint;
mod proxy;
mod replay_audit;
mod schema;
mod serve;
mod spec_file;

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// As shells count a program that ended for want of a reader: 128 and SIGPIPE.
const NO_READER: i32 = 141;
/// A spec that cannot be used, or a token.
const SPEC_ERRORS: u8 = 1;
/// Wrong usage, or something in the way: a file, a port, a filter.
const TROUBLE: u8 = 2;

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
    Check(CheckArgs),
    /// Print the JSON Schema of specs, for editors
    Schema,
    /// Say what a change does before it ships: who moves, from where to where
    Diff(DiffArgs),
    /// Hold what hosts run against a spec: revision, digest, what differs, aborts in force
    ///
    /// The token for status pages comes from the environment, SERIN_STATUS_TOKEN.
    Drift(DriftArgs),
    /// Package the filter as an OCI artifact, into a folder or to a registry
    ///
    /// Prints what the url of Istio's WasmPlugin takes.
    Package(PackageArgs),
    /// Explain what a request gets, step by step, and why
    Explain(ExplainArgs),
    /// Serve a spec: an HTTP proxy that runs the filter on every request
    ///
    /// Keys for testers' tokens come from the environment, SERIN_OVERRIDE_KEYS; see `serin override`.
    /// So does what docs/gates.md lists: where gates read aborts and whom they tell, by clusters that
    /// --cluster names.
    Serve(ServeArgs),
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
    Drill(DrillArgs),
    /// Decide once more what gates decided by themselves, from their audit records
    ReplayAudit(ReplayAuditArgs),
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
    /// Requests a second of a rollout, both arms together: says what its gates will be able to show.
    /// May be repeated, with a rollout's name
    #[arg(long, value_name = "[ROLLOUT=]N", value_parser = check::parse_pace, conflicts_with_all = ["debt", "against"])]
    rps: Vec<check::Pace>,
    /// With --rps: how many of the baseline's requests fail
    #[arg(long, value_name = "PERCENT", default_value = "0.1", value_parser = check::parse_rate)]
    error_rate: serin_analysis::planner::Rate,
    /// With --rps: how many of the baseline's requests are KPI events
    #[arg(long, value_name = "PERCENT", default_value = "3", value_parser = check::parse_rate)]
    kpi_rate: serin_analysis::planner::Rate,
}

#[derive(Args)]
#[command(after_help = diff::HELP)]
struct DiffArgs {
    /// The spec as it is, in YAML or JSON; - is standard input
    old: PathBuf,
    /// The spec as it would be
    new: PathBuf,
    /// Ask about so many units with made-up ids
    #[arg(long, value_name = "N", default_value = "100000", value_parser = clap::value_parser!(u64).range(1..=1_000_000), conflicts_with_all = ["list", "access_log"])]
    units: u64,
    /// Ask about the units of a file, an id a line
    #[arg(long, value_name = "FILE", conflicts_with = "access_log")]
    list: Option<PathBuf>,
    /// Ask about recorded requests, a JSON object a line: method, url, headers, facts
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    /// Exit with 1 if more than this share moves, of all or of those in any cohort
    #[arg(long, value_name = "PERCENT", value_parser = diff::parse_percent)]
    max_moved: Option<f64>,
    /// Ask hosts that know of these aborts and of these steps that gates let end, as hosts tell each
    /// other (JSON)
    #[arg(long, value_name = "FILE")]
    latches: Option<PathBuf>,
    /// The moment to ask about, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = explain::parse_moment)]
    at: Option<serin_core::Timestamp>,
    /// Print JSON in place of Markdown
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(after_help = drift::HELP)]
struct DriftArgs {
    /// The spec as it should be, in YAML or JSON; - is standard input
    spec: PathBuf,
    /// Admin interfaces of Envoys, http://HOST:PORT; may be repeated
    #[arg(long = "envoy", value_name = "ADMIN_URL", num_args = 1.., required_unless_present = "workers", value_parser = fetch::parse_url)]
    envoys: Vec<reqwest::Url>,
    /// Status pages of Workers; may be repeated
    #[arg(long = "worker", value_name = "STATUS_URL", num_args = 1.., value_parser = fetch::parse_url)]
    workers: Vec<reqwest::Url>,
    /// How long a host may take for each answer
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    timeout: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(after_help = package::HELP)]
#[command(group = clap::ArgGroup::new("to").args(["out", "push"]).required(true).multiple(true))]
struct PackageArgs {
    /// The filter, serin-filter.wasm
    filter: PathBuf,
    /// Write an OCI image layout into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Push to a registry
    #[arg(long, value_name = "REGISTRY/REPOSITORY:TAG", value_parser = package::parse_reference)]
    push: Option<oci_client::Reference>,
    /// Push by plain HTTP to a registry that is not on this machine
    #[arg(long, requires = "push")]
    insecure: bool,
    /// The commit that the filter was built from, a label
    #[arg(long, value_name = "COMMIT")]
    revision: Option<String>,
    /// A spec whose revision and digest become labels
    #[arg(long, value_name = "SPEC")]
    spec: Option<PathBuf>,
    /// A further label; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = package::parse_label)]
    labels: Vec<(String, String)>,
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
    /// What a host knows of aborts and of steps that gates let end, as hosts tell each other (JSON)
    #[arg(long, value_name = "FILE")]
    latches: Option<PathBuf>,
    /// The moment of the decision, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = explain::parse_moment)]
    at: Option<serin_core::Timestamp>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(after_help = drill::HELP)]
struct DrillArgs {
    /// The spec, in YAML or JSON; - is standard input
    spec: PathBuf,
    /// What goes wrong; may be repeated [default: all that can, and healthy runs]
    #[arg(long = "fault", value_name = "FAULT", value_parser = drill::parse_fault)]
    faults: Vec<drill::Fault>,
    /// Which rollout [default: the first by name with gates, or else with a new version]
    #[arg(long, value_name = "NAME")]
    rollout: Option<String>,
    /// Requests a second, both arms together
    #[arg(long, value_name = "N", default_value = "200", value_parser = drill::parse_rps)]
    rps: f64,
    /// Users; a few of them make most of the requests
    #[arg(long, value_name = "N", default_value = "20000", value_parser = users)]
    users: usize,
    /// How many of the users are in a cohort or ring that the rollout names [default: 10 for a
    /// cohort that gates judge, 1 for a ring]
    #[arg(long = "cohort", value_name = "NAME=PERCENT", value_parser = drill::parse_part)]
    cohorts: Vec<(String, f64)>,
    /// How many of the baseline's requests fail
    #[arg(long, value_name = "PERCENT", default_value = "0.1", value_parser = check::parse_rate)]
    error_rate: serin_analysis::planner::Rate,
    /// How many requests are KPI events
    #[arg(long, value_name = "PERCENT", default_value = "3", value_parser = check::parse_rate)]
    kpi_rate: serin_analysis::planner::Rate,
    /// Runs of each fault [default: 1, and 2 healthy ones]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    runs: Option<u64>,
    /// How long a run lasts at most, as in 1h30m [default: 1,000,000 requests]
    #[arg(long = "for", value_name = "SPAN", value_parser = span)]
    length: Option<u64>,
    /// Worker VMs
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// Everything random follows from it
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,
    /// The filter to run, in place of the one inside
    #[arg(long, value_name = "FILE")]
    filter: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write a report with plots, one file that needs no other
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = replay_audit::HELP)]
struct ReplayAuditArgs {
    /// A file with audit records, one in a line, or a log that has some; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// The spec that was in force: the records' settings have to be its
    #[arg(long, value_name = "SPEC")]
    spec: Option<PathBuf>,
}

#[derive(Args)]
struct ServeArgs {
    /// The spec, in YAML or JSON; taken over anew whenever the file changes
    spec: PathBuf,
    /// Where an arm's requests go. NAME is ROLLOUT.ARM, the arm's target, or the arm's name; the
    /// first of these that is given counts
    #[arg(long = "arm", value_name = "NAME=URL", value_parser = arms::parse)]
    arms: Vec<arms::NameMap>,
    /// Where requests without a rollout go [default: the baseline, if there is just one rollout]
    #[arg(long, value_name = "URL", value_parser = arms::parse_url)]
    default: Option<crate::proxy::Upstream>,
    /// An upstream for HTTP calls that the filter makes itself
    #[arg(long = "cluster", value_name = "NAME=URL", value_parser = arms::parse)]
    clusters: Vec<arms::NameMap>,
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

fn main() -> ExitCode {
    end_quietly_without_a_reader();
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

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text} is not a number"))?;
    if !(0.001..=86_400.0).contains(&seconds) {
        return Err(format!("{text} is not between 0.001 and 86400 seconds"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

fn span(text: &str) -> Result<u64, String> {
    serin_core::parse_duration(text)
        .ok_or_else(|| format!("{text} is no span of time, write 1h30m"))
}

fn users(text: &str) -> Result<usize, String> {
    let users = text.parse().ok().filter(|users| (1..=5_000_000).contains(users));
    users.ok_or_else(|| format!("{text} is not from 1 to 5000000"))
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
