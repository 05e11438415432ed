//! `serin export flagger`: the arguments.

use super::common::{CommonArgs, PROMETHEUS, parse_url};
use clap::Args;
use serin_fleet::export::Target;
use serin_fleet::export::flagger::Options;

const HELP: &str = "\
Files: ROLLOUT.yaml for each canary, with a Canary, and MetricTemplates that read the metrics that the
rules of `serin export prometheus` record. The arms' targets have to be Flagger's services, NAME-primary
and NAME-canary, where NAME is the Deployment.

The webhooks are yours: one responds 200 to roll the canary back, the other to promote it. Flagger's load
tester has a gate for each.

Example:
  serin export flagger spec.yaml --namespace shop --out flagger";

#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct FlaggerArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// The URL of Prometheus, for the metrics
    #[arg(long, value_name = "URL", default_value = PROMETHEUS, value_parser = parse_url)]
    prometheus: String,
    /// The namespace of every resource [default: the current one when they are applied]
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// The webhook that responds 200 to roll the canary back
    #[arg(long, value_name = "URL", default_value = "http://flagger-loadtester/rollback/check", value_parser = parse_url)]
    rollback: String,
    /// The webhook that responds 200 to promote the canary
    #[arg(long, value_name = "URL", default_value = "http://flagger-loadtester/gate/check", value_parser = parse_url)]
    promotion: String,
    /// The port of Flagger's services
    #[arg(long, value_name = "PORT", default_value = "80", value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
}

impl FlaggerArgs {
    /// The common arguments, and the target with its options.
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
