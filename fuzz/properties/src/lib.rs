//! Properties that hold for any input. Each takes bytes, from a fuzzer or from a file, and panics if it
//! does not hold for them.
//!
//! Some properties read the bytes as an input of the code under test: a document, a token, counters on
//! the wire. Others use them as the choices of `serin_conformance::random`: every input is then a valid
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

/// A property; it panics if it does not hold for the bytes.
pub type Property = fn(&[u8]);

/// All properties, with the names of their targets.
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

/// Checks the property of a target.
///
/// # Panics
/// If the property does not hold, or if the target has none.
pub fn check(target: &str, bytes: &[u8]) {
    let found = PROPERTIES.iter().find(|(name, _)| *name == target);
    let (_, property) = found.unwrap_or_else(|| panic!("there is no property {target}"));
    property(bytes);
}

/// The plan of a valid spec.
fn plan(document: &Value) -> Plan {
    let plan = Plan::from_json(document.to_string().as_bytes());
    plan.unwrap_or_else(|errors| panic!("{errors}\n{document}"))
}

/// A spec in the forms that `serin_fleet::diff` needs.
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
