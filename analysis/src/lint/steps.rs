//! Lints of steps: shares that do not grow, last steps below 100 %, and gates that no traffic can satisfy.

use serin_core::Share;
use serin_core::inspect::Path;
use serin_core::spec::{Hold, Mode, Progress, RuleAction, Spec, Step};

use super::finding::{Findings, Lint};

pub(super) fn steps(spec: &Spec, findings: &mut Findings) {
    let section = Path::Root.key("flags");
    for (name, flag) in &spec.flags {
        let path = section.key(name);
        let rules = path.key("rules");
        for (index, rule) in flag.rules.iter().enumerate() {
            if let RuleAction::Ramp { progress, .. } = &rule.action {
                of_progress(progress, false, &rules.index(index).key("ramp"), findings);
            }
        }
    }
    let section = Path::Root.key("rollouts");
    for (name, rollout) in &spec.rollouts {
        if let Mode::Canary { progress, rings, .. } = &rollout.mode {
            of_progress(progress, !rings.is_empty(), &section.key(name).key("canary"), findings);
        }
    }
}

fn of_progress(progress: &Progress, has_rings: bool, path: &Path<'_>, findings: &mut Findings) {
    let Progress::Steps { steps, .. } = progress else { return };
    let list = path.key("steps");
    let mut previous = Share::ZERO;
    for (index, step) in steps.iter().enumerate() {
        // At 0 % the rings have the canary alone, or a person tests it first.
        let starts_at_zero = index == 0 && (has_rings || step.hold == Hold::Manual);
        if step.share <= previous && !starts_at_zero {
            let message = match index {
                0 => "reaches nobody: the first step is 0 %".into(),
                _ if step.share == previous => {
                    format!("stays at {previous}: the previous step is as large")
                }
                _ => format!("shrinks from {previous} to {}, which takes users out", step.share),
            };
            let help = "make each step larger than the previous one";
            findings.add(Lint::StepWithoutGrowth, &list.index(index).key("share"), &message, help);
        }
        previous = step.share;
    }
    endless_steps(steps, &list, findings);
    let Some(last) = steps.last() else { return };
    if last.share < Share::ALL && last.hold != Hold::Manual {
        let place = list.index(steps.len().saturating_sub(1));
        let message =
            format!("the last step has {}: the rest of the users never follow", last.share);
        let help = "add a step of 100, or write hold: manual if a person goes on from here";
        findings.add(Lint::LastStepBelow100, &place.key("share"), &message, help);
    }
}

/// A gate compares the users that the share alone sends to each arm, so it needs some in both arms. The last step
/// has no end, so its mode does not matter.
fn endless_steps(steps: &[Step], list: &Path<'_>, findings: &mut Findings) {
    let Some((_, others)) = steps.split_last() else { return };
    for (index, step) in others.iter().enumerate().filter(|(_, step)| step.gated) {
        let nobody = match step.share {
            Share::ZERO => "the canary",
            Share::ALL => "the baseline",
            _ => continue,
        };
        let message = format!(
            "no traffic ends this step: at {} its gate sees nobody on {nobody}",
            step.share
        );
        let help = "write hold: manual if a person ends the step, or a hold without mode: gate";
        findings.add(Lint::EndlessStep, &list.index(index), &message, help);
    }
}
