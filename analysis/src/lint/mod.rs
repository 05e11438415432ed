//! Lints: parts of a valid spec that are most likely mistakes.

mod decorative;
mod expiry;
mod finding;
mod groups;
mod operands;
mod reach;
mod request_size;
mod steering;
mod steps;
mod unused;

use serin_core::{Plan, Spec, Timestamp};

pub use decorative::decorative;
use finding::Findings;
pub use finding::{Finding, Lint};

/// The findings in a spec at `now`. `plan` is the compiled spec. The lint of gates needs the expected
/// traffic: see [`decorative()`].
pub fn lint(spec: &Spec, plan: &Plan, now: Timestamp) -> Vec<Finding> {
    let mut findings = Findings::default();
    reach::rules(spec, now, &mut findings);
    reach::arms(spec, plan, &mut findings);
    reach::deliveries(spec, &mut findings);
    groups::layers(spec, &mut findings);
    groups::salts(plan, &mut findings);
    unused::unused(spec, &mut findings);
    operands::operands(spec, &mut findings);
    steps::steps(spec, &mut findings);
    request_size::flags_field(plan, &mut findings);
    steering::gates(spec, plan, &mut findings);
    expiry::expiry(spec, now, &mut findings);
    findings.0
}
