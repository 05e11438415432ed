//! What a host did with a request, and how that differs from what a vector expects.

use crate::vector::{Case, FlagRecord, RolloutRecord};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a host did with a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The decision record.
    pub record: String,
    /// The request's fields as the upstream saw them, lines of one name joined.
    pub upstream: BTreeMap<String, String>,
    /// The Set-Cookie fields of the response.
    pub set_cookie: Vec<String>,
    /// The decision as the response tells it.
    pub told: Option<String>,
    /// Which counter of `serin.overrides` rose.
    pub overrides: Option<String>,
}

/// What a host did with a request, to the byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The decision record; empty when there is none.
    pub record: String,
    /// The request's fields as the upstream saw them, without pseudo-headers, in order.
    pub upstream: Vec<(String, Vec<u8>)>,
    /// The Set-Cookie fields of the response.
    pub set_cookie: Vec<String>,
    /// The decision as the response tells it.
    pub told: Option<String>,
    /// Which counter of `serin.overrides` rose.
    pub overrides: Option<String>,
}

impl From<Seen> for Outcome {
    fn from(seen: Seen) -> Outcome {
        let Seen { record, upstream, set_cookie, told, overrides } = seen;
        Outcome { record, upstream: joined(upstream), set_cookie, told, overrides }
    }
}

/// The decision record; the keys stand in the record's order.
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

/// What the vector expects every host to do, given the plan's digest.
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
        told: case.expect.told.then(|| record.clone()),
        record,
        overrides: case.expect.overrides.clone(),
        upstream: case.expect.upstream.clone(),
        set_cookie: case.expect.set_cookie.clone(),
    }
}

impl Outcome {
    /// Whether there was anything to decide: a record without rollout and flags says no more than
    /// which plan was in force, and a proxy need not keep it.
    fn is_undecided(&self) -> bool {
        !self.record.contains("\"rollout\":") && !self.record.contains("\"flags\":")
    }
}

/// Every difference, one a line; nothing when the host did as expected.
pub fn differences(expected: &Outcome, seen: &Outcome) -> Result<(), String> {
    let mut lines = Vec::new();
    let unkept = expected.is_undecided() && seen.record.is_empty();
    if expected.record != seen.record && !unkept {
        lines.push(format!("record\n  expected {}\n  seen     {}", expected.record, seen.record));
    }
    let names = expected.upstream.keys().chain(seen.upstream.keys().filter(|name| reserved(name)));
    let mut names: Vec<&String> = names.collect();
    names.sort();
    names.dedup();
    for name in names {
        let (wanted, found) = (expected.upstream.get(name), seen.upstream.get(name));
        if wanted != found {
            lines.push(format!("upstream {name}\n  expected {wanted:?}\n  seen     {found:?}"));
        }
    }
    if expected.set_cookie != seen.set_cookie {
        let (wanted, found) = (&expected.set_cookie, &seen.set_cookie);
        lines.push(format!("set-cookie\n  expected {wanted:?}\n  seen     {found:?}"));
    }
    if expected.told != seen.told {
        let (wanted, found) = (&expected.told, &seen.told);
        lines.push(format!("serin-decision\n  expected {wanted:?}\n  seen     {found:?}"));
    }
    if expected.overrides != seen.overrides {
        let (wanted, found) = (&expected.overrides, &seen.overrides);
        lines.push(format!("serin.overrides\n  expected {wanted:?}\n  seen     {found:?}"));
    }
    if lines.is_empty() { Ok(()) } else { Err(lines.join("\n")) }
}

/// The one counter that rose by one; every other change is spelled out, so that it equals nothing.
pub fn risen(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> Option<String> {
    let change = |(name, count): (&String, &u64)| {
        let rise = count - before.get(name).copied().unwrap_or_default();
        (rise > 0).then(|| if rise == 1 { name.clone() } else { format!("{name} by {rise}") })
    };
    let changes: Vec<String> = after.iter().filter_map(change).collect();
    (!changes.is_empty()).then(|| changes.join(" and "))
}

/// Fields only Serin may set. Written here once more on purpose: the runners do not ask the core.
pub fn reserved(name: &str) -> bool {
    name.starts_with("x-serin-") || name.starts_with("serin-")
}

/// Fields as a map: lines of one name joined, bytes that are not UTF-8 replaced.
pub fn joined(fields: impl IntoIterator<Item = (String, Vec<u8>)>) -> BTreeMap<String, String> {
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
