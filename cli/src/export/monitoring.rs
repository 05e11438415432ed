//! `serin export prometheus` and `serin export grafana`.

use super::common::CommonArgs;
use clap::Args;
use serin_fleet::export::{Target, grafana, prometheus};

const RULES: &str = "\
File: serin.rules.yaml, for rule_files in Prometheus' configuration. The hosts' metrics have to carry
the labels that `serin export envoy` and `serin export istio` set up.

Example:
  serin export prometheus spec.yaml --out /etc/prometheus/rules";

const DASHBOARD: &str = "\
File: serin.dashboard.json, to import or to provision. It shows what the rules of `serin export
prometheus` record.

Example:
  serin export grafana spec.yaml --out /var/lib/grafana/dashboards";

#[derive(Args)]
#[command(after_help = RULES)]
pub(crate) struct PrometheusArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// How often to evaluate, as Prometheus writes it [default: its evaluation_interval]
    #[arg(long, value_name = "SPAN", value_parser = span)]
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
    pub(super) fn split(self) -> (CommonArgs, Target) {
        (self.common, Target::Prometheus(prometheus::Options { interval: self.interval }))
    }
}

impl GrafanaArgs {
    pub(super) fn split(self) -> (CommonArgs, Target) {
        (self.common, Target::Grafana(grafana::Options { title: self.title }))
    }
}

fn span(text: &str) -> Result<String, String> {
    let number = text.strip_suffix(['s', 'm']).and_then(|number| number.parse::<u32>().ok());
    match number {
        Some(1..) => Ok(text.to_owned()),
        _ => Err(format!("{text} is no interval, write 15s or 1m")),
    }
}
