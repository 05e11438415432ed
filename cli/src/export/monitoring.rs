//! `serin export prometheus` and `serin export grafana`: the arguments.

use super::common::CommonArgs;
use clap::Args;
use serin_fleet::export::{Target, grafana, prometheus};

const RULES: &str = "\
File: serin.rules.yaml, for rule_files in the configuration of Prometheus. The hosts' metrics need the
labels that `serin export envoy` and `serin export istio` configure.

Example:
  serin export prometheus spec.yaml --out /etc/prometheus/rules";

const DASHBOARD: &str = "\
File: serin.dashboard.json, to import or to provision. It shows the metrics that the rules of
`serin export prometheus` record.

Example:
  serin export grafana spec.yaml --out /var/lib/grafana/dashboards";

#[derive(Args)]
#[command(after_help = RULES)]
pub(crate) struct PrometheusArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// How often to evaluate the rules, such as 15s [default: Prometheus' evaluation_interval]
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    interval: Option<String>,
}

#[derive(Args)]
#[command(after_help = DASHBOARD)]
pub(crate) struct GrafanaArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// The dashboard's title
    #[arg(long, value_name = "TITLE", default_value = "Serin")]
    title: String,
}

impl PrometheusArgs {
    /// The common arguments, and the target with its options.
    pub(super) fn split(self) -> (CommonArgs, Target) {
        (self.common, Target::Prometheus(prometheus::Options { interval: self.interval }))
    }
}

impl GrafanaArgs {
    /// The common arguments, and the target with its options.
    pub(super) fn split(self) -> (CommonArgs, Target) {
        (self.common, Target::Grafana(grafana::Options { title: self.title }))
    }
}

/// Parses an interval in whole seconds or minutes.
fn interval(text: &str) -> Result<String, String> {
    let number = text.strip_suffix(['s', 'm']).and_then(|number| number.parse::<u32>().ok());
    match number {
        Some(1..) => Ok(text.to_owned()),
        _ => Err(format!("{text} is not an interval, write 15s or 1m")),
    }
}
