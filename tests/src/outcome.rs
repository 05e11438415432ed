//! The outcome of a request on a host, and its comparison with what a vector expects.

use crate::vector::{Case, FlagRecord, RolloutRecord};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The outcome of a request in the form of the vectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The decision record.
    pub record: String,
    /// The request's fields at the upstream; lines of one name are joined.
    pub upstream: BTreeMap<String, String>,
    /// The Set-Cookie fields of the response.
    pub set_cookie: Vec<String>,
    /// The value of the response's `serin-decision` field.
    pub response_decision: Option<String>,
    /// The counter of `serin.overrides` that was incremented.
    pub overrides: Option<String>,
}

/// The outcome of a request, byte for byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawOutcome {
    /// The decision record; empty when there is none.
    pub record: String,
    /// The request's fields at the upstream, without pseudo-headers, in order.
    pub upstream: Vec<(String, Vec<u8>)>,
    /// The Set-Cookie fields of the response.
    pub set_cookie: Vec<String>,
    /// The value of the response's `serin-decision` field.
    pub response_decision: Option<String>,
    /// The counter of `serin.overrides` that was incremented.
    pub overrides: Option<String>,
}

impl From<RawOutcome> for Outcome {
    fn from(raw: RawOutcome) -> Outcome {
        let RawOutcome { record, upstream, set_cookie, response_decision, overrides } = raw;
        let upstream = join_fields(upstream);
        Outcome { record, upstream, set_cookie, response_decision, overrides }
    }
}

/// The decision record, with the keys in the record's order.
#[derive(Serialize)]
struct Record<'c> {
    revision: u64,
    digest: &'c str,
    #[serde(rename = "override", skip_serializing_if = "Option::is_none")]
    forced_by: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout: Option<&'c RolloutRecord>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    flags: &'c BTreeMap<String, FlagRecord>,
}

/// The outcome that the vector expects on every host, under a plan of this revision and digest.
pub fn expected(case: &Case, revision: u64, digest: &str) -> Outcome {
    let record = Record {
        revision,
        digest,
        forced_by: case.expect.forced_by.as_deref(),
        rollout: case.expect.rollout.as_ref(),
        flags: &case.expect.flags,
    };
    let record = serde_json::to_string(&record).expect("a record is plain JSON");
    Outcome {
        response_decision: case.expect.response_decision.then(|| record.clone()),
        record,
        overrides: case.expect.overrides.clone(),
        upstream: case.expect.upstream.clone(),
        set_cookie: case.expect.set_cookie.clone(),
    }
}

impl Outcome {
    /// Whether the record holds neither a rollout nor flags. It then names the plan only, and a proxy
    /// need not store it.
    fn has_no_decision(&self) -> bool {
        !self.record.contains("\"rollout\":") && !self.record.contains("\"flags\":")
    }
}

/// Compares two outcomes; the error lists every difference.
pub fn differences(expected: &Outcome, actual: &Outcome) -> Result<(), String> {
    let mut found = Vec::new();
    let is_record_omitted = expected.has_no_decision() && actual.record.is_empty();
    if expected.record != actual.record && !is_record_omitted {
        let (expected, actual) = (&expected.record, &actual.record);
        found.push(format!("record\n  expected {expected}\n  actual   {actual}"));
    }
    let own = actual.upstream.keys().filter(|name| is_reserved_field(name));
    let names: BTreeSet<&String> = expected.upstream.keys().chain(own).collect();
    for name in names {
        let (expected, actual) = (expected.upstream.get(name), actual.upstream.get(name));
        found.extend(difference(&format!("upstream {name}"), &expected, &actual));
    }
    found.extend(difference("set-cookie", &expected.set_cookie, &actual.set_cookie));
    let (wanted, given) = (&expected.response_decision, &actual.response_decision);
    found.extend(difference("serin-decision", wanted, given));
    found.extend(difference("serin.overrides", &expected.overrides, &actual.overrides));
    if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
}

fn difference<T: PartialEq + fmt::Debug>(what: &str, expected: &T, actual: &T) -> Option<String> {
    let text = || format!("{what}\n  expected {expected:?}\n  actual   {actual:?}");
    (expected != actual).then(text)
}

/// The counter that was incremented by one between two readings.
///
/// Any other change is written out (`NAME by N and …`), so that it equals no expectation.
pub fn incremented(
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
) -> Option<String> {
    let change = |(name, count): (&String, &u64)| {
        let increment = count - before.get(name).copied().unwrap_or_default();
        let change = if increment == 1 { name.clone() } else { format!("{name} by {increment}") };
        (increment > 0).then_some(change)
    };
    let changes: Vec<String> = after.iter().filter_map(change).collect();
    (!changes.is_empty()).then(|| changes.join(" and "))
}

/// Whether only Serin may set the field. A second implementation on purpose: the runners must not
/// rely on the core's.
pub fn is_reserved_field(name: &str) -> bool {
    // Names like `serin_flags` and `serin.flags` are read as `serin-flags` by some upstreams.
    let dashed = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-").to_ascii_lowercase();
    dashed.starts_with("x-serin-") || dashed.starts_with("serin-")
}

/// Fields as a map: lines of one name are joined, bytes that are not UTF-8 replaced.
pub fn join_fields(
    fields: impl IntoIterator<Item = (String, Vec<u8>)>,
) -> BTreeMap<String, String> {
    let mut map: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in fields {
        let value = String::from_utf8_lossy(&value).into_owned();
        map.entry(name)
            .and_modify(|lines| {
                lines.push_str(", ");
                lines.push_str(&value);
            })
            .or_insert(value);
    }
    map
}
