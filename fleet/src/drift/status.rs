//! The status of a host, as it reports it: specs, the revision in force, aborts and problems.

use serde_json::Value;
use std::fmt;

/// The status of a host.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct HostStatus {
    /// The specs that the host is configured with, without duplicates.
    pub specs: Vec<DeployedSpec>,
    /// The revision in force, if the filter reports it apart from the configuration.
    pub revision_in_force: Option<u64>,
    /// Whether a running filter reports the revision in force.
    pub reports_revision: bool,
    /// Aborts. Some of them may be over under the current spec.
    pub aborts: Vec<AbortStatus>,
    /// The reason that nobody judges the gates. It is a problem only if the spec has gates.
    pub unjudged: Option<String>,
    /// The problems that the host reports, a sentence each.
    pub problems: Vec<String>,
}

/// A spec that a host is configured with.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DeployedSpec {
    /// The location in the host: `listener web`, `ECDS serin`, or the source of a Worker's spec.
    pub location: String,
    /// The revision, if the spec is valid.
    pub revision: Option<u64>,
    /// The digest, if the spec is valid.
    pub digest: Option<String>,
    /// The document, if the host shows it.
    pub document: Option<Value>,
    /// The errors for which the filter refuses the spec, a sentence each; empty if the spec is valid.
    pub errors: Vec<String>,
}

/// An abort that a host reports.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct AbortStatus {
    /// The rollout's name.
    pub rollout: String,
    /// The epoch that was aborted, if the host reports it.
    pub epoch: Option<u64>,
    /// The time of the abort in ms since 1970, if the host reports it.
    pub at: Option<u64>,
    /// The reason, if the host reports it.
    pub reason: Option<String>,
}

/// The reason that a page is not the status of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageError {
    /// A page of Envoy's admin interface lacks the list that Envoy puts there.
    NotEnvoy {
        /// The path of the page.
        path: &'static str,
    },
    /// The status page of a Worker lacks a field.
    NotWorker {
        /// The missing field, or fields.
        missing: &'static str,
    },
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PageError::NotEnvoy { path } => {
                write!(f, "{path} is not a page of Envoy's admin interface")
            }
            PageError::NotWorker { missing } => {
                write!(f, "the response is not a status page: {missing} is missing")
            }
        }
    }
}

impl std::error::Error for PageError {}
