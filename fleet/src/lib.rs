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

pub mod compare;
pub mod diff;
pub mod drift;
pub mod export;
pub mod import;
pub mod lines;
pub mod package;
pub mod yaml;
