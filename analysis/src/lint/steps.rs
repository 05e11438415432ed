//! Shares that are to grow and do not.

use serin_core::Share;
use serin_core::inspect::Path;
use serin_core::spec::{Hold, Mode, Progress, RuleAction, Spec};

use super::finding::{Findings, Lint};

pub(super) fn steps(spec: &Spec, findings: &mut Findings) {
    let section = Path::Root.key("flags");
    for (name, flag) in &spec.flags {
        let path = section.key(name);
        let rules = path.key("rules");
        for (index, rule) in flag.rules.iter().enumerate() {
            if let RuleAction::Ramp { progress, .. } = &rule.action {
                of_progress(progress, &rules.index(index).key("ramp"), findings);
            }
        }
    }
    let section = Path::Root.key("rollouts");
    for (name, rollout) in &spec.rollouts {
        if let Mode::Canary { progress, .. } = &rollout.mode {
            of_progress(progress, &section.key(name).key("canary"), findings);
        }
    }
}

fn of_progress(progress: &Progress, path: &Path<'_>, findings: &mut Findings) {
    let Progress::Steps { steps, .. } = progress else { return };
    let list = path.key("steps");
    let mut before = Share::ZERO;
    for (index, step) in steps.iter().enumerate() {
        if step.share <= before {
            let message = match index {
                0 => "reaches nobody: the first step is 0 %".into(),
                _ if step.share == before => {
                    format!("stays at {before}, the step before is as large")
                }
                _ => format!("shrinks from {before} to {}, which takes users out", step.share),
            };
            let help = "let each step be larger than the one before";
            findings.add(Lint::StepWithoutGrowth, &list.index(index).key("share"), &message, help);
        }
        before = step.share;
    }
    let Some(last) = steps.last() else { return };
    if last.share < Share::ALL && last.hold != Hold::Manual {
        let place = list.index(steps.len().saturating_sub(1));
        let message = format!("the last step ends at {}, the others never follow", last.share);
        let help = "add a step of 100, or write hold: manual if a person goes on from here";
        findings.add(Lint::LastStepBelow100, &place.key("share"), &message, help);
    }
}
