//! Exports of a spec: configuration files for other tools. The same spec gives the same bytes.
//!
//! [`Target`] lists the tools. Each has a module with its options and a function that turns a [`Source`] into
//! [`Artifact`]s. [`mark`] records the origin of each file.
//!
//! ```
//! use serin_core::{Plan, Spec};
//! use serin_fleet::export::{Source, Target, envoy};
//!
//! let json = r#"{"formatVersion": 1, "units": {"user": [{"header": "x-user-id"}]},
//!     "rollouts": {"shop": {"arms": {"stable": {"target": "shop-v1"}, "canary": {"target": "shop-v2"}},
//!     "baseline": "stable", "canary": {"share": 5}}}}"#;
//! let (spec, plan) = (Spec::from_json(json.as_bytes())?, Plan::from_json(json.as_bytes())?);
//! let source = Source { name: "spec.yaml", json, spec: &spec, plan: &plan };
//! let options = envoy::Options {
//!     filter: "/etc/envoy/serin-filter.wasm".into(),
//!     ecds: None,
//!     default: None,
//!     bootstrap: None,
//! };
//! let files = Target::Envoy(options).artifacts(&source).unwrap();
//! let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
//! assert_eq!(paths, ["filter.yaml", "routes.yaml", "stats.yaml"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod argo;
mod artifact;
mod canary;
pub mod document;
mod environment;
pub mod envoy;
pub mod evidence;
pub mod flagger;
pub mod grafana;
pub mod istio;
pub mod mark;
pub mod prometheus;
pub mod routing;
pub mod size;
mod source;
pub mod worker;

pub use artifact::{Artifact, Cause, Problem};
pub use source::Source;

/// A tool to export to, with its options.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Target {
    /// Envoy's filter, routes and labels.
    Envoy(envoy::Options),
    /// Istio's and the Gateway API's resources.
    Istio(istio::Options),
    /// A Cloudflare Worker's configuration.
    Worker(worker::Options),
    /// Argo Rollouts' resources.
    Argo(argo::Options),
    /// Flagger's resources.
    Flagger(flagger::Options),
    /// Rules for Prometheus.
    Prometheus(prometheus::Options),
    /// A dashboard for Grafana.
    Grafana(grafana::Options),
}

impl Target {
    /// The name of the subcommand of `serin export`.
    pub fn name(&self) -> &'static str {
        match self {
            Target::Envoy(_) => "envoy",
            Target::Istio(_) => "istio",
            Target::Worker(_) => "worker",
            Target::Argo(_) => "argo",
            Target::Flagger(_) => "flagger",
            Target::Prometheus(_) => "prometheus",
            Target::Grafana(_) => "grafana",
        }
    }

    /// The files for the tool, sorted by path.
    ///
    /// # Errors
    /// Every problem that prevents the export.
    pub fn artifacts(&self, source: &Source<'_>) -> Result<Vec<Artifact>, Vec<Problem>> {
        let mut artifacts = match self {
            Target::Envoy(options) => envoy::artifacts(source, options),
            Target::Istio(options) => istio::artifacts(source, options),
            Target::Worker(options) => worker::artifacts(source, options),
            Target::Argo(options) => argo::artifacts(source, options),
            Target::Flagger(options) => flagger::artifacts(source, options),
            Target::Prometheus(options) => prometheus::artifacts(source, options),
            Target::Grafana(options) => grafana::artifacts(source, options),
        }?;
        artifacts.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(artifacts)
    }
}
