//! The results of an export: files, or the problems that prevent them.

use super::size::{self, Stored};
use serde_json::Value;
use std::fmt;

/// A file made from a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Artifact {
    /// The path in the output folder, with `/` between segments.
    pub path: String,
    /// The content.
    pub text: String,
    /// The size of its largest object in Kubernetes, if the file goes there.
    pub stored: Option<Stored>,
}

impl Artifact {
    pub(super) fn new(path: impl Into<String>, text: String) -> Artifact {
        Artifact { path: path.into(), text, stored: None }
    }

    /// A file that goes into a ConfigMap.
    pub(super) fn in_config_map(path: impl Into<String>, text: String) -> Artifact {
        let stored = Some(Stored::config_map(&text));
        Artifact { stored, ..Artifact::new(path, text) }
    }

    /// A file of Kubernetes resources.
    pub(super) fn of_resources(
        path: impl Into<String>,
        text: String,
        resources: &[Value],
    ) -> Artifact {
        let stored = size::biggest(resources.iter().map(Stored::resource));
        Artifact { stored, ..Artifact::new(path, text) }
    }
}

/// A problem that prevents the export of a spec to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The part of the input that causes the problem.
    pub cause: Cause,
    /// The message.
    pub message: String,
}

/// The cause of a [`Problem`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A path in the spec: `rollouts.shop.match`.
    Spec(String),
    /// One or more options of the target: `--origin, --service`.
    Options(&'static str),
}

impl Problem {
    pub(super) fn new(cause: Cause, message: impl Into<String>) -> Problem {
        Problem { cause, message: message.into() }
    }

    pub(super) fn in_spec(path: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem::new(Cause::Spec(path.into()), message)
    }

    pub(super) fn in_options(options: &'static str, message: impl Into<String>) -> Problem {
        Problem::new(Cause::Options(options), message)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Spec(path) => f.write_str(path),
            Cause::Options(options) => f.write_str(options),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause, self.message)
    }
}

impl std::error::Error for Problem {}
