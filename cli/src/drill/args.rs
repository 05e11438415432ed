//! The arguments of `serin drill`.

use super::fault::{self, Fault};
use crate::arguments::parse_rate;
use clap::Args;
use serin_analysis::planner::Rate;
use std::path::PathBuf;

/// What `serin drill --help` ends with.
const HELP: &str = "\
FAULT is one or more of these, separated by commas:
  errors=5x, errors=50%     the new version fails 5 times as often as the baseline; 50 % of the time
  latency=1.5x              the new version takes 1.5 times as long
  kpi=0.5x                  half of the new version's KPI events are missing
  cohort=NAME:errors=10x    the fault affects only requests of this cohort
  onset=10m                 the fault begins 10 minutes after the rollout
  shadow                    a fifth of the shadow's responses differ
  down                      the new version's connections fail
  healthy                   no fault

Exit codes: 0 the drill was run, whatever it found; 1 the spec has errors; 2 wrong usage, no rollout
to drill, or a filter that cannot be used.

Examples:
  serin drill spec.yaml
  serin drill spec.yaml --html drill.html
  serin drill spec.yaml --fault errors=5x,onset=10m --fault healthy --runs 20 --rps 50";

#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct DrillArgs {
    /// The spec, in YAML or JSON; - is standard input
    pub(super) spec: PathBuf,
    /// A fault of the new version, see below; may be repeated [default: every kind, and healthy runs]
    #[arg(long = "fault", value_name = "FAULT", value_parser = fault::parse)]
    pub(super) faults: Vec<Fault>,
    /// The rollout to drill [default: the first by name with gates, or else with a new version]
    #[arg(long, value_name = "NAME")]
    pub(super) rollout: Option<String>,
    /// Requests a second to both arms together
    #[arg(long, value_name = "N", default_value = "200", value_parser = parse_rps)]
    pub(super) rps: f64,
    /// The number of simulated users; a few of them send most of the requests
    #[arg(long, value_name = "N", default_value = "20000", value_parser = parse_users)]
    pub(super) users: usize,
    /// The percentage of users in a cohort that the rollout's gates judge, or in one of its rings; may
    /// be repeated [default: 10 for a gate's cohort, 1 for a ring]
    #[arg(long = "cohort", value_name = "NAME=PERCENT", value_parser = parse_part)]
    pub(super) cohorts: Vec<(String, f64)>,
    /// The percentage of the baseline's requests that fail
    #[arg(long, value_name = "PERCENT", default_value = "0.1", value_parser = parse_rate)]
    pub(super) error_rate: Rate,
    /// The percentage of requests that are KPI events
    #[arg(long, value_name = "PERCENT", default_value = "3", value_parser = parse_rate)]
    pub(super) kpi_rate: Rate,
    /// The number of runs of each fault [default: 2 for healthy, else 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(super) runs: Option<u64>,
    /// The longest duration of a run, such as 1h30m [default: 1,000,000 requests]
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub(super) length: Option<u64>,
    /// The number of worker VMs
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) workers: u16,
    /// The seed of all randomness: equal seeds give equal drills
    #[arg(long, value_name = "N", default_value = "1")]
    pub(super) seed: u64,
    /// The filter to run [default: the embedded one]
    #[arg(long, value_name = "FILE")]
    pub(super) filter: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    pub(super) json: bool,
    /// Also write a report with plots, as one self-contained HTML file
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
}

/// Parses `NAME=PERCENT`.
fn parse_part(text: &str) -> Result<(String, f64), String> {
    let wrong = || format!("{text} is not NAME=PERCENT, such as beta=10");
    let (name, percent) = text.split_once('=').ok_or_else(wrong)?;
    let percent: f64 = percent.parse().map_err(|_| wrong())?;
    if !(0.0..=100.0).contains(&percent) {
        return Err(format!("{text} is not between 0 and 100 per cent"));
    }
    Ok((name.to_owned(), percent / 100.0))
}

/// Parses requests a second.
fn parse_rps(text: &str) -> Result<f64, String> {
    let rps: f64 = text.parse().map_err(|_| format!("{text} is not a number"))?;
    if (0.01..=100_000.0).contains(&rps) {
        Ok(rps)
    } else {
        Err(format!("{text} is not between 0.01 and 100000"))
    }
}

/// Parses a duration, in milliseconds.
fn parse_duration(text: &str) -> Result<u64, String> {
    serin_core::parse_duration(text).ok_or_else(|| format!("{text} is not a duration, write 1h30m"))
}

/// Parses a number of users.
fn parse_users(text: &str) -> Result<usize, String> {
    let users = text.parse().ok().filter(|users| (1..=5_000_000).contains(users));
    users.ok_or_else(|| format!("{text} is not a whole number between 1 and 5000000"))
}
