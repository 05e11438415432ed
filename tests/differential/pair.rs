//! The comparison of native Rust's and the filter's outcome of a request.

use serde_json::Value;
use serin_conformance::host_entropy::minted_entropy;
use serin_conformance::outcome::RawOutcome;
use serin_conformance::vector::Case;
use serin_conformance::{native, sim};
use serin_core::Plan;
use serin_host_sim::{Entropy, Module, Plugin};
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A request with different outcomes.
pub(crate) struct Difference {
    /// The index of the request.
    pub(crate) index: usize,
    /// Both outcomes.
    pub(crate) what: String,
}

/// Sends the requests through one VM and finds the first with different outcomes.
pub(crate) fn first_difference(
    module: &Module,
    plan: &Plan,
    spec: &Value,
    cases: &[Case],
    coverage: &mut Coverage,
) -> Option<Difference> {
    let begin = cases.first().and_then(|case| case.now).unwrap_or_default();
    let started = sim::start(module, spec.to_string(), begin, Entropy::Seeded(begin), &[]);
    let (clock, plugin) = match started {
        Ok(started) => started,
        Err(why) => {
            let what = format!("native accepts the spec, the filter does not: {why}");
            return Some(Difference { index: 0, what });
        }
    };
    for (index, case) in cases.iter().enumerate() {
        let now = case.now.unwrap_or(begin);
        clock.set_millis(now);
        let compared = match &case.latches {
            None => compare(plan, &plugin, case),
            // A VM never forgets an abort, so a case with latches needs a new one.
            Some(latches) => {
                let entropy = Entropy::Seeded(now);
                sim::start_with_latches(module, spec.to_string(), now, entropy, &[], Some(latches))
                    .and_then(|(_, plugin)| compare(plan, &plugin, case))
            }
        };
        match compared {
            Ok(outcome) => coverage.add(&outcome),
            Err(what) => return Some(Difference { index, what }),
        }
    }
    None
}

/// Decides a case by both; the error shows both outcomes.
fn compare(plan: &Plan, plugin: &Plugin, case: &Case) -> Result<RawOutcome, String> {
    let wasm = sorted(sim::send(plugin, case)?);
    // Native Rust decides with the ids that the filter minted.
    let minted = minted_entropy(&wasm.set_cookie);
    let entropy = |index: usize| minted.get(index).copied().unwrap_or_default();
    let native = catch_unwind(AssertUnwindSafe(|| native::decide_minting(plan, case, entropy)));
    let mut native = sorted(native.map_err(|_| "native panicked".to_string())?);
    if native.record.ends_with(&format!("\"digest\":\"{}\"}}", plan.digest())) {
        // The record holds no decision; the filter stores none then.
        native.record.clear();
    }
    if native == wasm {
        return Ok(native);
    }
    Err(format!("native\n{}wasm\n{}", format_outcome(&native), format_outcome(&wasm)))
}

fn format_outcome(outcome: &RawOutcome) -> String {
    let mut text = format!("  record {}\n", outcome.record);
    for (name, value) in &outcome.upstream {
        text.push_str(&format!("  {name}: {}\n", value.escape_ascii()));
    }
    for line in &outcome.set_cookie {
        text.push_str(&format!("  set-cookie: {line}\n"));
    }
    text
}

/// Sorts the upstream's fields by name; lines of one name keep their order.
fn sorted(mut outcome: RawOutcome) -> RawOutcome {
    outcome.upstream.sort_by(|one, two| one.0.cmp(&two.0));
    outcome
}

/// The number of requests with each kind of outcome.
#[derive(Default)]
pub(crate) struct Coverage(BTreeMap<&'static str, u64>);

impl Coverage {
    fn add(&mut self, outcome: &RawOutcome) {
        const KINDS: [(&str, &str); 12] = [
            ("a rollout", "\"rollout\":"),
            ("flags", "\"flags\":"),
            ("STATIC", "\"STATIC\""),
            ("DEFAULT", "\"DEFAULT\""),
            ("TARGETING_MATCH", "\"TARGETING_MATCH\""),
            ("SPLIT", "\"SPLIT\""),
            ("DISABLED", "\"DISABLED\""),
            ("TARGETING_KEY_MISSING", "\"TARGETING_KEY_MISSING\""),
            ("a holdout", "\"holdout\":"),
            ("a shadow", "\"shadow\":"),
            ("nothing to decide", ""),
            ("a pin or id", ""),
        ];
        for (kind, part) in KINDS {
            let found = match kind {
                "nothing to decide" => outcome.record.is_empty(),
                "a pin or id" => !outcome.set_cookie.is_empty(),
                _ => outcome.record.contains(part),
            };
            *self.0.entry(kind).or_default() += u64::from(found);
        }
    }

    /// The kinds that no request had.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        self.0.iter().filter(|(_, count)| **count == 0).map(|(kind, _)| *kind).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("requests with ")?;
        for (index, (kind, count)) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{kind}: {count}")?;
        }
        Ok(())
    }
}
