//! The lint of gates that clients can steer: they judge units whose id a client can choose.

use serin_core::Share;
use serin_core::inspect::Path;
use serin_core::plan::Plan;
use serin_core::spec::{CountedUnits, Mode, Progress, Spec, UnitSource};

use super::finding::{Findings, Lint};
use crate::steering::ids_to_abort;

pub(super) fn gates(spec: &Spec, plan: &Plan, findings: &mut Findings) {
    let section = Path::Root.key("rollouts");
    for ((name, rollout), compiled) in spec.rollouts.iter().zip(plan.rollouts()) {
        let Some(trial) = compiled.trial() else { continue };
        let counts = rollout.abort_policy.gates.as_ref().map(|gates| gates.count);
        let unit = compiled.bucketing().and_then(|by| spec.units.iter().nth(by.unit().index()));
        let (Some(CountedUnits::All), Some((unit, sources))) = (counts, unit) else { continue };
        let is_verified = |source: &UnitSource| matches!(source, UnitSource::Jwt(_));
        if sources.iter().all(is_verified) {
            continue;
        }
        let Some(ids) =
            first_share(&rollout.mode).and_then(|share| ids_to_abort(trial.gate(), share, 0))
        else {
            continue;
        };
        let message = format!(
            "a client can choose its id of unit {unit}: {ids} chosen ids with one error each abort a healthy canary"
        );
        let is_verifiable =
            |source: &UnitSource| matches!(source, UnitSource::Jwt(_) | UnitSource::Anonymous(_));
        let help = if sources.iter().any(is_verifiable) {
            "where clients are hostile, count verified units only: count: verified, and a key for anonymous ids"
        } else {
            "where clients are hostile, give the unit a source that is verified (jwt or anonymous), and count: verified"
        };
        let path = section.key(name);
        findings.add(Lint::SteerableGate, &path.key("gates"), &message, help);
    }
}

/// The share of the first step that has a canary and a baseline.
fn first_share(mode: &Mode) -> Option<Share> {
    let Mode::Canary { progress, .. } = mode else { return None };
    let is_compared = |share: &Share| *share > Share::ZERO && *share < Share::ALL;
    match progress {
        Progress::Fixed(share) => Some(*share).filter(is_compared),
        Progress::Steps { steps, .. } => steps.iter().map(|step| step.share).find(is_compared),
    }
}
