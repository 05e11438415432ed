//! The arguments of `serin drill`.

use super::fault::{self, Fault};
use crate::arguments::parse_rate;
use clap::Args;
use serin_analysis::planner::Rate;
use std::path::PathBuf;

/// What `serin drill --help` ends with.
const HELP: &str = "\
A fault is some of these, with commas between them:
  errors=5x, errors=50%     the new version fails 5 times as often as the baseline; half the time
  latency=1.5x              it takes 1.5 times as long
  kpi=0.5x                  half of the KPI events stay away
  cohort=NAME:errors=10x    only requests of a cohort are struck
  onset=10m                 the fault begins so long after the rollout
  shadow                    a fifth of the shadow's answers differ
  down                      nothing answers
  healthy                   nothing goes wrong

Exit codes: 0 the drill was run, whatever it showed; 1 the spec has errors; 2 wrong usage, no rollout
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
    /// What goes wrong; may be repeated [default: all that can, and healthy runs]
    #[arg(long = "fault", value_name = "FAULT", value_parser = fault::parse)]
    pub(super) faults: Vec<Fault>,
    /// Which rollout [default: the first by name with gates, or else with a new version]
    #[arg(long, value_name = "NAME")]
    pub(super) rollout: Option<String>,
    /// Requests a second, both arms together
    #[arg(long, value_name = "N", default_value = "200", value_parser = parse_rps)]
    pub(super) rps: f64,
    /// Users; a few of them make most of the requests
    #[arg(long, value_name = "N", default_value = "20000", value_parser = parse_users)]
    pub(super) users: usize,
    /// How many of the users are in a cohort or ring that the rollout names [default: 10 for a
    /// cohort that gates judge, 1 for a ring]
    #[arg(long = "cohort", value_name = "NAME=PERCENT", value_parser = parse_part)]
    pub(super) cohorts: Vec<(String, f64)>,
    /// How many of the baseline's requests fail
    #[arg(long, value_name = "PERCENT", default_value = "0.1", value_parser = parse_rate)]
    pub(super) error_rate: Rate,
    /// How many requests are KPI events
    #[arg(long, value_name = "PERCENT", default_value = "3", value_parser = parse_rate)]
    pub(super) kpi_rate: Rate,
    /// Runs of each fault [default: 1, and 2 healthy ones]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(super) runs: Option<u64>,
    /// How long a run lasts at most, as in 1h30m [default: 1,000,000 requests]
    #[arg(long = "for", value_name = "SPAN", value_parser = parse_span)]
    pub(super) length: Option<u64>,
    /// Worker VMs
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) workers: u16,
    /// Everything random follows from it
    #[arg(long, value_name = "N", default_value = "1")]
    pub(super) seed: u64,
    /// The filter to run, in place of the one inside
    #[arg(long, value_name = "FILE")]
    pub(super) filter: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Write a report with plots, one file that needs no other
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
}

/// Parses `NAME=PERCENT`.
fn parse_part(text: &str) -> Result<(String, f64), String> {
    let wrong = || format!("{text} is not NAME=PERCENT");
    let (name, percent) = text.split_once('=').ok_or_else(wrong)?;
    let percent: f64 = percent.parse().map_err(|_| wrong())?;
    if !(0.0..=100.0).contains(&percent) {
        return Err(format!("{text} is not from 0 to 100 per cent"));
    }
    Ok((name.to_owned(), percent / 100.0))
}

/// Parses requests a second.
fn parse_rps(text: &str) -> Result<f64, String> {
    let rps: f64 = text.parse().map_err(|_| format!("{text} is not a number"))?;
    if (0.01..=100_000.0).contains(&rps) {
        Ok(rps)
    } else {
        Err(format!("{text} is not from 0.01 to 100000"))
    }
}

/// Parses a duration, in milliseconds.
fn parse_span(text: &str) -> Result<u64, String> {
    serin_core::parse_duration(text)
        .ok_or_else(|| format!("{text} is no span of time, write 1h30m"))
}

/// Parses a number of users.
fn parse_users(text: &str) -> Result<usize, String> {
    let users = text.parse().ok().filter(|users| (1..=5_000_000).contains(users));
    users.ok_or_else(|| format!("{text} is not from 1 to 5000000"))
}
