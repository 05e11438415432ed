//! `serin export flagger`.

use super::common::{CommonArgs, PROMETHEUS, parse_url};
use clap::Args;
use serin_fleet::export::Target;
use serin_fleet::export::flagger::Options;

const HELP: &str = "\
Files: ROLLOUT.yaml for each canary: a Canary, and MetricTemplates that read what the rules of `serin
export prometheus` record. The arms' targets have to be Flagger's services, NAME-primary and
NAME-canary; NAME is the Deployment.

The webhooks are yours: they answer 200 when the canary is to be rolled back, and when it may be
promoted. Flagger's load tester has a gate for each.

Example:
  serin export flagger spec.yaml --namespace shop --out flagger";

#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct FlaggerArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Where the metrics find Prometheus
    #[arg(long, value_name = "URL", default_value = PROMETHEUS, value_parser = parse_url)]
    prometheus: String,
    /// The namespace of every resource [default: whatever is current when they are applied]
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Answers 200 when the canary is to be rolled back
    #[arg(long, value_name = "URL", default_value = "http://flagger-loadtester/rollback/check", value_parser = parse_url)]
    rollback: String,
    /// Answers 200 when the canary may be promoted
    #[arg(long, value_name = "URL", default_value = "http://flagger-loadtester/gate/check", value_parser = parse_url)]
    promotion: String,
    /// The port of the services that Flagger makes
    #[arg(long, value_name = "PORT", default_value = "80", value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
}

impl FlaggerArgs {
    pub(super) fn split(self) -> (CommonArgs, Target) {
        let options = Options {
            prometheus: self.prometheus,
            namespace: self.namespace,
            rollback: self.rollback,
            promotion: self.promotion,
            port: self.port,
        };
        (self.common, Target::Flagger(options))
    }
}
