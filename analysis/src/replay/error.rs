//! Why a record cannot be replayed.

use std::fmt;

use serin_core::gate::GateSettingsError;

/// A record that cannot be replayed: the first mistake in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayError {
    /// The object that is read; empty for the record itself.
    object: String,
    /// Its field, if the mistake is in one.
    field: Option<String>,
    kind: ReplayErrorKind,
}

/// What kind of mistake a [`ReplayError`] is, with its data.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayErrorKind {
    /// The string is not a JSON document.
    Syntax {
        /// What the JSON parser says.
        message: String,
    },
    /// The record has another version than 1.
    Version {
        /// Its version.
        given: u64,
    },
    /// A field is missing.
    Missing,
    /// A value has the wrong JSON type.
    Type {
        /// What it is, with an article: `a number`.
        given: &'static str,
        /// What it must be, with an article.
        expected: &'static str,
    },
    /// A number is not whole, is negative or does not fit 64 bits.
    NotWhole,
    /// A number does not fit 32 bits.
    TooLarge {
        /// The number.
        given: u64,
    },
    /// A list does not consist of this many whole numbers.
    NotWholeNumbers {
        /// How many it must have.
        expected: usize,
    },
    /// The unit of inference is unknown.
    InferenceUnit {
        /// What stands there.
        given: String,
    },
    /// A ratio is 0.
    ZeroRatio,
    /// A latency edge is unknown.
    Edge {
        /// Its number.
        given: u64,
    },
    /// A share is above 100 %.
    Share {
        /// The number, in 0.001 %.
        given: u64,
    },
    /// A latency count has no class, or is not a whole number of 32 bits.
    LatencyCount {
        /// How many classes there are.
        classes: usize,
    },
    /// The gate refuses its settings.
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

    /// Where the mistake is, such as `before.elapsed`; empty for the record itself.
    pub fn path(&self) -> String {
        match (&self.field, self.object.as_str()) {
            (None, object) => object.into(),
            (Some(field), "") => field.clone(),
            (Some(field), object) => format!("{object}.{field}"),
        }
    }

    /// What kind of mistake it is.
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
            ReplayErrorKind::Version { .. } => {
                write!(f, "{field}: only records of version 1 are known")
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
            ReplayErrorKind::InferenceUnit { given } => {
                write!(f, "{object}.{field}: {given} is not bucket or request")
            }
            ReplayErrorKind::ZeroRatio => {
                write!(f, "{object}.{field}: is 0, which is no ratio")
            }
            ReplayErrorKind::Edge { given } => write!(f, "{object}.{field}: {given} is no edge"),
            ReplayErrorKind::Share { .. } => write!(f, "{object}.{field}: is no share"),
            ReplayErrorKind::LatencyCount { classes } => {
                write!(f, "{object}.{field}: is not a count of one of {classes} classes")
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
