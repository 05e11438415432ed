//! Lint: what a spec may say and most likely does not mean.

mod decorative;
mod expiry;
mod finding;
mod groups;
mod reach;
mod steps;
mod unused;

use serin_core::{Plan, Spec, Timestamp};

pub use decorative::decorative;
use finding::Findings;
pub use finding::{Finding, Lint};

/// Everything that is found in a spec at `now`. `plan` is what the spec compiles to. Gates need the
/// traffic that one expects: see [`decorative`].
pub fn lint(spec: &Spec, plan: &Plan, now: Timestamp) -> Vec<Finding> {
    let mut findings = Findings::default();
    reach::rules(spec, now, &mut findings);
    reach::arms(spec, plan, &mut findings);
    reach::deliveries(spec, &mut findings);
    groups::layers(spec, &mut findings);
    groups::salts(plan, &mut findings);
    unused::unused(spec, &mut findings);
    steps::steps(spec, &mut findings);
    expiry::expiry(spec, now, &mut findings);
    findings.0
}
