//! One decision by both.

use serde_json::Value;
use serin_conformance::outcome::Seen;
use serin_conformance::vector::Case;
use serin_conformance::{native, sim};
use serin_core::Plan;
use serin_host_sim::{Entropy, Module, Plugin};
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A request that the two do not agree on.
pub(crate) struct Difference {
    /// Its position among the requests.
    pub(crate) at: usize,
    /// What differs.
    pub(crate) what: String,
}

/// Sends the requests through one VM and finds the first that the two do not agree on.
pub(crate) fn first_difference(
    module: &Module,
    plan: &Plan,
    spec: &Value,
    cases: &[Case],
    reached: &mut Reached,
) -> Option<Difference> {
    let begin = cases.first().and_then(|case| case.now).unwrap_or_default();
    let configured = sim::configured(module, spec.to_string(), begin, Entropy::Seeded(begin), None);
    let (clock, plugin) = match configured {
        Ok(configured) => configured,
        Err(why) => {
            return Some(Difference {
                at: 0,
                what: format!("native takes the spec, the filter does not: {why}"),
            });
        }
    };
    for (at, case) in cases.iter().enumerate() {
        let now = case.now.unwrap_or(begin);
        clock.set_millis(now);
        let compared = match &case.latches {
            None => compare(plan, &plugin, case),
            // No abort is forgotten, so who knows of some has a VM of its own.
            Some(latches) => {
                let entropy = Entropy::Seeded(now);
                sim::informed(module, spec.to_string(), now, entropy, None, Some(latches))
                    .and_then(|(_, informed)| compare(plan, &informed, case))
            }
        };
        match compared {
            Ok(seen) => reached.add(&seen),
            Err(what) => return Some(Difference { at, what }),
        }
    }
    None
}

fn compare(plan: &Plan, plugin: &Plugin, case: &Case) -> Result<Seen, String> {
    let wasm = ordered(sim::send(plugin, case)?);
    let ids: Vec<[u8; 16]> = wasm.set_cookie.iter().filter_map(|line| minted(line)).collect();
    // Where the filter minted an id, native Rust decides with that very id.
    let entropy = |at: usize| ids.get(at).copied().unwrap_or_default();
    let native = catch_unwind(AssertUnwindSafe(|| native::decide_minting(plan, case, entropy)));
    let mut native = ordered(native.map_err(|_| "native panicked".to_string())?);
    if native.record.ends_with(&format!("\"digest\":\"{}\"}}", plan.digest())) {
        // Nothing was decided, and a proxy keeps no record of that.
        native.record.clear();
    }
    if native == wasm {
        return Ok(native);
    }
    Err(format!("native\n{}wasm\n{}", shown(&native), shown(&wasm)))
}

fn shown(seen: &Seen) -> String {
    let mut text = format!("  record {}\n", seen.record);
    for (name, value) in &seen.upstream {
        text.push_str(&format!("  {name}: {}\n", value.escape_ascii()));
    }
    for line in &seen.set_cookie {
        text.push_str(&format!("  set-cookie: {line}\n"));
    }
    text
}

/// Fields by name; lines of one name keep their order.
fn ordered(mut seen: Seen) -> Seen {
    seen.upstream.sort_by(|one, two| one.0.cmp(&two.0));
    seen
}

/// The id in a Set-Cookie line of Serin's, as bytes.
fn minted(line: &str) -> Option<[u8; 16]> {
    let id = line.split_once('=')?.1.split(';').next()?;
    let whole = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then(|| Case::entropy_of(id))
}

/// How often each kind of outcome came up: a run that reaches little proves little.
#[derive(Default)]
pub(crate) struct Reached(BTreeMap<&'static str, u64>);

impl Reached {
    fn add(&mut self, seen: &Seen) {
        const MARKS: [(&str, &str); 12] = [
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
        for (what, mark) in MARKS {
            let found = match what {
                "nothing to decide" => seen.record.is_empty(),
                "a pin or id" => !seen.set_cookie.is_empty(),
                _ => seen.record.contains(mark),
            };
            *self.0.entry(what).or_default() += u64::from(found);
        }
    }
}

impl Reached {
    /// What never came up.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        self.0.iter().filter(|(_, count)| **count == 0).map(|(what, _)| *what).collect()
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("requests with ")?;
        for (at, (what, count)) in self.0.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}{what}: {count}")?;
        }
        Ok(())
    }
}
