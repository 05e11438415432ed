//! `serin export argo`: the arguments.

use super::common::{CommonArgs, PROMETHEUS, parse_url};
use clap::Args;
use serin_fleet::export::Target;
use serin_fleet::export::argo::Options;

const HELP: &str = "\
Files: ROLLOUT.yaml for each canary, with an Argo Rollout (add your template and selector, or a
workloadRef), an AnalysisTemplate, and the VirtualService to which Argo adds routes.

The analysis reads the metrics that the rules of `serin export prometheus` record.

Example:
  serin export argo spec.yaml --gateway istio-ingress/shop --out argo";

#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct ArgoArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// The URL of Prometheus, for the analysis
    #[arg(long, value_name = "URL", default_value = PROMETHEUS, value_parser = parse_url)]
    prometheus: String,
    /// The namespace of every resource [default: the current one when they are applied]
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// An existing VirtualService with one route to both arms [default: a new one for each rollout]
    #[arg(long, value_name = "NAME")]
    virtual_service: Option<String>,
    /// The gateway of the new VirtualServices [default: none, for calls inside the mesh]
    #[arg(long, value_name = "[NAMESPACE/]NAME", conflicts_with = "virtual_service")]
    gateway: Option<String>,
}

impl ArgoArgs {
    /// The common arguments, and the target with its options.
    pub(super) fn split(self) -> (CommonArgs, Target) {
        let options = Options {
            prometheus: self.prometheus,
            namespace: self.namespace,
            virtual_service: self.virtual_service,
            gateway: self.gateway,
        };
        (self.common, Target::Argo(options))
    }
}
