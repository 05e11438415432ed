//! Sizes of objects in Kubernetes, for people.

use crate::number_format::grouped;
use serin_fleet::export::Source;
use serin_fleet::export::size::{Oversize, largest_parts};

/// How many of the largest parts a message names.
const NAMED: usize = 5;

/// A size and its limit: `363,112 bytes, and client-side kubectl apply takes 262,144`.
pub(crate) fn message(oversize: Oversize) -> String {
    let Oversize { limit, bytes, .. } = oversize;
    format!("{} bytes, and {} takes {}", of(bytes), limit.place(), of(limit.bytes()))
}

/// The largest parts of a spec: `the largest parts are flags.a (1,234 bytes), …`.
pub(crate) fn largest(source: &Source<'_>) -> String {
    let parts = largest_parts(source, NAMED);
    let parts: Vec<String> =
        parts.iter().map(|(path, bytes)| format!("{path} ({} bytes)", of(*bytes))).collect();
    format!("the largest parts are {}", parts.join(", "))
}

fn of(bytes: usize) -> String {
    grouped(u64::try_from(bytes).unwrap_or(u64::MAX))
}
