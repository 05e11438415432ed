//! Errors of a replay.

use std::fmt;

use serin_core::gate::{GateSettingsError, RECORD_VERSION};

/// The error of an audit record that cannot be replayed: the first mistake in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayError {
    /// The path of the object; empty for the record itself.
    object: String,
    /// The field with the mistake; `None` if the object itself is wrong.
    field: Option<String>,
    kind: ReplayErrorKind,
}

/// The kind of a [`ReplayError`], with its data.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayErrorKind {
    /// The string is not a JSON document.
    Syntax {
        /// The message of the JSON parser.
        message: String,
    },
    /// The record has another version than [`RECORD_VERSION`].
    Version {
        /// The record's version.
        given: u64,
    },
    /// A field is missing.
    Missing,
    /// A value has the wrong JSON type.
    Type {
        /// The type of the value, with an article: `a number`.
        given: &'static str,
        /// The type that it must have, with an article.
        expected: &'static str,
    },
    /// A number is not whole, is negative or does not fit 64 bits.
    NotWhole,
    /// A number does not fit 32 bits.
    TooLarge {
        /// The number.
        given: u64,
    },
    /// A list does not have the expected number of whole numbers.
    NotWholeNumbers {
        /// The number of items that it must have.
        expected: usize,
    },
    /// A list does not have the expected number of items.
    Length {
        /// The number of items.
        given: usize,
        /// The number of items that it must have.
        expected: usize,
    },
    /// The unit of inference is unknown.
    InferenceUnit {
        /// The value.
        given: String,
    },
    /// A ratio is 0.
    ZeroRatio,
    /// A latency edge is unknown.
    Edge {
        /// The edge's number.
        given: u64,
    },
    /// A share is above 100 %.
    Share {
        /// The share, in 0.001 %.
        given: u64,
    },
    /// A latency count is of no bin, or is not a whole number of 32 bits.
    LatencyCount {
        /// The number of bins.
        bins: usize,
    },
    /// Settings of the gate are outside their ranges.
    Settings(Vec<GateSettingsError>),
}

impl ReplayError {
    /// A mistake in `field` of `object`.
    pub(super) fn new(object: &str, field: &str, kind: ReplayErrorKind) -> ReplayError {
        ReplayError { object: object.into(), field: Some(field.into()), kind }
    }

    /// A mistake in the object itself; an empty name is the record.
    pub(super) fn in_object(object: &str, kind: ReplayErrorKind) -> ReplayError {
        ReplayError { object: object.into(), field: None, kind }
    }

    /// The path of the mistake, such as `before.elapsed`; empty for the record itself.
    pub fn path(&self) -> String {
        match (&self.field, self.object.as_str()) {
            (None, object) => object.into(),
            (Some(field), "") => field.clone(),
            (Some(field), object) => format!("{object}.{field}"),
        }
    }

    /// The kind of the mistake.
    pub fn kind(&self) -> &ReplayErrorKind {
        &self.kind
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = if self.object.is_empty() { "the record" } else { &self.object };
        let field = self.field.as_deref().unwrap_or_default();
        match &self.kind {
            ReplayErrorKind::Syntax { message } => write!(f, "not a JSON document: {message}"),
            ReplayErrorKind::Version { given } => {
                let writer = if *given < RECORD_VERSION { "an earlier" } else { "another" };
                write!(
                    f,
                    "{field}: an audit record of version {given}, written by {writer} Serin; this one reads \
                     version {RECORD_VERSION}"
                )
            }
            ReplayErrorKind::Missing => write!(f, "{object} has no field {field}"),
            ReplayErrorKind::Type { given, expected } => {
                let place = self.field.as_deref().unwrap_or(object);
                write!(f, "{place} is {given}, must be {expected}")
            }
            ReplayErrorKind::NotWhole => write!(f, "{object}.{field}: is not a whole number"),
            ReplayErrorKind::TooLarge { .. } => write!(f, "{object}.{field}: is too large"),
            ReplayErrorKind::NotWholeNumbers { expected } => {
                write!(f, "{object}.{field}: is not {expected} whole numbers")
            }
            ReplayErrorKind::Length { given, expected } => {
                write!(f, "{object}.{field}: has {given} items, must have {expected}")
            }
            ReplayErrorKind::InferenceUnit { given } => {
                write!(f, "{object}.{field}: {given} is not bucket or request")
            }
            ReplayErrorKind::ZeroRatio => {
                write!(f, "{object}.{field}: is 0, a ratio must be above 0")
            }
            ReplayErrorKind::Edge { given } => {
                write!(f, "{object}.{field}: {given} is not the number of an edge")
            }
            ReplayErrorKind::Share { given } => {
                write!(f, "{object}.{field}: {given} is not a share: at most 100000 (100 %)")
            }
            ReplayErrorKind::LatencyCount { bins } => {
                write!(f, "{object}.{field}: is not a count of one of {bins} bins")
            }
            ReplayErrorKind::Settings(mistakes) => {
                write!(f, "{object}: ")?;
                for (index, mistake) in mistakes.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "; " };
                    write!(f, "{separator}{mistake}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ReplayError {}
