//! The arguments of `serin check`.

use super::lints::parse_lint;
use super::pace::{self, Pace, parse_pace};
use crate::arguments::{parse_rate, parse_timestamp};
use clap::Args;
use serin_analysis::planner::{Rate, Traffic};
use serin_core::Timestamp;
use std::path::PathBuf;

/// What `serin check --help` ends with.
const HELP: &str = "\
Exit codes: 0 no errors; 1 a spec has errors, or warnings with --deny-warnings; 2 wrong usage or a file
that cannot be read.

Examples:
  serin check spec.yaml
  serin check --format sarif specs/*.yaml > serin.sarif
  serin check --fix spec.yaml
  serin check --target kubernetes spec.yaml
  serin check --debt spec.yaml
  serin check --rps 200 --error-rate 0.1 spec.yaml
  git show main:spec.yaml | serin check --against - spec.yaml";

#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct CheckArgs {
    /// The specs to check, in YAML or JSON; - is standard input
    #[arg(required = true, value_name = "SPEC")]
    pub(super) specs: Vec<PathBuf>,
    /// The output format; sarif (2.1.0) is for code scanning
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
    /// Exit with 1 for warnings too; notes do not count
    #[arg(long)]
    pub(super) deny_warnings: bool,
    /// A warning to leave out, such as unused-cohort; may be repeated
    #[arg(long, value_name = "NAME", value_parser = parse_lint)]
    pub(super) allow: Vec<&'static str>,
    /// Also warn of what this target refuses; may be repeated
    #[arg(long, value_name = "TARGET")]
    pub(super) target: Vec<Target>,
    /// The time to check for, in RFC 3339: flags expire, steps begin and end [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_timestamp)]
    pub(super) at: Option<Timestamp>,
    /// List the flags instead: owner, expiry, and the variant that everybody has
    #[arg(long, conflicts_with = "against")]
    pub(super) debt: bool,
    /// Report instead what moves between this older spec and SPEC
    #[arg(long, value_name = "OLD")]
    pub(super) against: Option<PathBuf>,
    /// Fix first what has one right answer, such as a misspelt field or a number in quotes, in the files
    /// themselves; comments and layout stay
    #[arg(long, conflicts_with_all = ["debt", "against"])]
    pub(super) fix: bool,
    /// With --fix: name the fixes and write nothing
    #[arg(long, requires = "fix")]
    pub(super) dry_run: bool,
    /// The requests a second of every rollout, or of one, both arms together: adds a forecast of what
    /// its gates can detect; may be repeated
    #[arg(long, value_name = "[ROLLOUT=]N", value_parser = parse_pace, conflicts_with_all = ["debt", "against"])]
    pub(super) rps: Vec<Pace>,
    /// With --rps: the percentage of the baseline's requests that fail
    #[arg(long, value_name = "PERCENT", default_value = "0.1", value_parser = parse_rate)]
    pub(super) error_rate: Rate,
    /// With --rps: the percentage of the baseline's requests that are KPI events
    #[arg(long, value_name = "PERCENT", default_value = "3", value_parser = parse_rate)]
    pub(super) kpi_rate: Rate,
}

impl CheckArgs {
    /// The expected traffic of a rollout.
    pub(super) fn traffic(&self, rollout: &str) -> Option<Traffic> {
        let per_minute = pace::per_minute(&self.rps, rollout)?;
        Some(Traffic { per_minute, errors: self.error_rate, kpi: self.kpi_rate })
    }
}

/// A target with limits of its own.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Target {
    /// The sizes of kubectl apply, of ConfigMaps and of etcd
    Kubernetes,
}

/// The output format.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Sarif,
}
