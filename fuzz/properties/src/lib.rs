//! What holds for any input. Each property takes bytes as they come, from a fuzzer or from a file, and
//! panics where it does not hold.
//!
//! Some read the bytes as what hosts and people hand over: a document, a token, counters on the wire.
//! Others take them for the choices of `serin_conformance::random`, so that what comes of them is a good
//! spec, and a small change of the bytes is a small change of the spec.

mod access_log;
mod audit;
mod decide;
mod diff;
mod import;
mod latches;
mod monitor;
mod ofrep;
mod pairs;
mod request;
mod shares;
mod spec;
mod splits;
mod tallies;
mod token;
mod wire_spec;
mod yaml;

use serde_json::Value;
use serin_core::{Plan, Spec};

/// A property: panics where it does not hold for the bytes.
pub type Property = fn(&[u8]);

/// All properties by the names of their targets.
pub const PROPERTIES: [(&str, Property); 17] = [
    ("access_log", access_log::holds),
    ("audit", audit::holds),
    ("decide", decide::holds),
    ("diff", diff::holds),
    ("import", import::holds),
    ("latches", latches::holds),
    ("ofrep", ofrep::holds),
    ("pairs", pairs::holds),
    ("request", request::holds),
    ("shares", shares::holds),
    ("spec", spec::holds),
    ("splits", splits::holds),
    ("tallies", tallies::holds),
    ("token", token::holds),
    ("monitor", monitor::holds),
    ("wire_spec", wire_spec::holds),
    ("yaml", yaml::holds),
];

/// Puts bytes to the property of a target.
///
/// # Panics
/// The property does not hold, or there is none of this name.
pub fn check(target: &str, bytes: &[u8]) {
    let found = PROPERTIES.iter().find(|(name, _)| *name == target);
    let (_, property) = found.unwrap_or_else(|| panic!("there is no property {target}"));
    property(bytes);
}

/// A plan of a document that must be good.
fn plan(document: &Value) -> Plan {
    let plan = Plan::from_json(document.to_string().as_bytes());
    plan.unwrap_or_else(|errors| panic!("{errors}\n{document}"))
}

/// A spec in all its forms, for `serin_fleet`.
struct Loaded {
    document: Value,
    spec: Spec,
    plan: Plan,
}

impl Loaded {
    fn new(document: Value) -> Loaded {
        let spec = Spec::from_json(document.to_string().as_bytes());
        let spec = spec.unwrap_or_else(|errors| panic!("{errors}\n{document}"));
        Loaded { spec, plan: plan(&document), document }
    }

    fn side(&self) -> serin_fleet::diff::Side<'_> {
        let Loaded { document, spec, plan } = self;
        serin_fleet::diff::Side { document, spec, plan }
    }
}
