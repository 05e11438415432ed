//! Every spec of the vectors decides any header block. The decision is valid, and the same twice.
//!
//! The bytes are lines of `name: value`; every byte except the line feed stands for itself.

use serin_conformance::totality::check_decision;
use serin_conformance::{native, vector};
use serin_core::Plan;
use std::sync::OnceLock;

pub(crate) fn holds(bytes: &[u8]) {
    let pairs: Vec<(&[u8], &[u8])> = bytes.split(|byte| *byte == b'\n').map(pair).collect();
    for plan in plans() {
        check_decision(plan, pairs.iter().copied());
    }
}

/// Splits a line at its first colon after the first byte, because pseudo-headers start with a colon.
fn pair(line: &[u8]) -> (&[u8], &[u8]) {
    let colon = line.iter().skip(1).position(|byte| *byte == b':');
    let Some(colon) = colon.map(|at| at + 1) else { return (line, b"") };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    (name, value.strip_prefix(b" ").unwrap_or(value))
}

fn plans() -> &'static [Plan] {
    static PLANS: OnceLock<Vec<Plan>> = OnceLock::new();
    PLANS.get_or_init(|| {
        let suites = vector::load().unwrap_or_else(|why| panic!("{why}"));
        let plan = |suite| native::plan(suite).unwrap_or_else(|why| panic!("{why}"));
        suites.iter().map(plan).collect()
    })
}
