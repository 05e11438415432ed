//! `serin export argo`.

use super::common::{CommonArgs, PROMETHEUS, parse_url};
use clap::Args;
use serin_fleet::export::Target;
use serin_fleet::export::argo::Options;

const HELP: &str = "\
Files: ROLLOUT.yaml for each canary, with the part of an Argo Rollout that goes with the spec (add your
template and selector, or a workloadRef), an AnalysisTemplate, and the VirtualService whose routes Argo
adds to.

The analysis reads what the rules of `serin export prometheus` record.

Example:
  serin export argo spec.yaml --gateway istio-ingress/shop --out argo";

#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct ArgoArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Where the analysis finds Prometheus
    #[arg(long, value_name = "URL", default_value = PROMETHEUS, value_parser = parse_url)]
    prometheus: String,
    /// The namespace of every resource [default: whatever is current when they are applied]
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// A VirtualService that is there already, with one route to both arms [default: one is made for
    /// each rollout]
    #[arg(long, value_name = "NAME")]
    virtual_service: Option<String>,
    /// The gateway of the VirtualServices that are made [default: none, for calls inside the mesh]
    #[arg(long, value_name = "[NAMESPACE/]NAME", conflicts_with = "virtual_service")]
    gateway: Option<String>,
}

impl ArgoArgs {
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
