//! Tools around one spec in git: configuration for the rest of a fleet, imports of other tools' rollouts,
//! and comparisons of specs with each other and with what hosts run.
//!
//! | module | task |
//! |---|---|
//! | [`export`] | write configuration for Envoy, Istio, Cloudflare, Argo Rollouts, Flagger, Prometheus and Grafana |
//! | [`import`] | read manifests of Argo Rollouts and Flagger |
//! | [`diff`] | find out whom a change of the spec moves |
//! | [`drift`] | compare what hosts run with git |
//! | [`compare`] | list the differences between two documents |
//! | [`lines`] | count the lines of a text as editors do |
//! | [`package`] | package the filter as an OCI artifact |
//! | [`yaml`] | read and write YAML |
//!
//! The functions are pure: they read no files, call no hosts and print nothing.
//!
//! Without the feature `tools`, which is on by default, there are [`lines`] and the reader of [`yaml`] alone.

#[cfg(feature = "tools")]
pub mod compare;
#[cfg(feature = "tools")]
pub mod diff;
#[cfg(feature = "tools")]
pub mod drift;
#[cfg(feature = "tools")]
pub mod export;
#[cfg(feature = "tools")]
pub mod import;
pub mod lines;
#[cfg(feature = "tools")]
pub mod package;
pub mod yaml;
