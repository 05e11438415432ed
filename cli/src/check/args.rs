//! The arguments of `serin check`.

use super::lints::parse_lint;
use super::pace::{self, Pace, parse_pace};
use crate::arguments::{parse_rate, parse_timestamp};
use clap::Args;
use serin_analysis::planner::Rate;
use serin_analysis::planner::Traffic;
use serin_core::Timestamp;
use std::path::PathBuf;

/// What `serin check --help` ends with.
const HELP: &str = "\
Exit codes: 0 the specs can be used, with warnings perhaps; 1 a spec has errors, or warnings with
--deny-warnings; 2 wrong usage or a file that cannot be read.

Examples:
  serin check spec.yaml
  serin check --format sarif specs/*.yaml > serin.sarif
  serin check --debt spec.yaml
  serin check --rps 200 --error-rate 0.1 spec.yaml
  git show main:spec.yaml | serin check --against - spec.yaml";

#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct CheckArgs {
    /// Files to check; - is standard input
    #[arg(required = true, value_name = "SPEC")]
    pub(super) specs: Vec<PathBuf>,
    /// How to print: text for people, json for tools, sarif (2.1.0) for code scanning
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
    /// Exit with 1 for warnings too; notes never count
    #[arg(long)]
    pub(super) deny_warnings: bool,
    /// A warning to leave out, by the name in its brackets; may be repeated
    #[arg(long, value_name = "NAME", value_parser = parse_lint)]
    pub(super) allow: Vec<&'static str>,
    /// The moment to check for: what has expired, which step is in force; RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_timestamp)]
    pub(super) at: Option<Timestamp>,
    /// List the flags in place of checking: by kind, what has expired, what is fully rolled out
    #[arg(long, conflicts_with = "against")]
    pub(super) debt: bool,
    /// Say whom the step from this older spec to SPEC moves, in place of checking
    #[arg(long, value_name = "OLD")]
    pub(super) against: Option<PathBuf>,
    /// Requests a second of a rollout, both arms together: says what its gates will be able to show.
    /// May be repeated, with a rollout's name
    #[arg(long, value_name = "[ROLLOUT=]N", value_parser = parse_pace, conflicts_with_all = ["debt", "against"])]
    pub(super) rps: Vec<Pace>,
    /// With --rps: how many of the baseline's requests fail
    #[arg(long, value_name = "PERCENT", default_value = "0.1", value_parser = parse_rate)]
    pub(super) error_rate: Rate,
    /// With --rps: how many of the baseline's requests are KPI events
    #[arg(long, value_name = "PERCENT", default_value = "3", value_parser = parse_rate)]
    pub(super) kpi_rate: Rate,
}

impl CheckArgs {
    /// The traffic that is expected of a rollout.
    pub(super) fn traffic(&self, rollout: &str) -> Option<Traffic> {
        let per_minute = pace::of(&self.rps, rollout)?;
        Some(Traffic { per_minute, errors: self.error_rate, kpi: self.kpi_rate })
    }
}

/// How to print.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Sarif,
}
