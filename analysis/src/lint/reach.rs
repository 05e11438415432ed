//! Lints of reachability: rules, arms and flags that no request reaches.

use std::collections::BTreeSet;

use serin_core::inspect::Path;
use serin_core::spec::{Bucketing, Flag, FlagState, Progress, Rule, RuleAction, Spec, UnitSource};
use serin_core::{Plan, Share, Timestamp};

use super::finding::{Findings, Lint};

pub(super) fn rules(spec: &Spec, now: Timestamp, findings: &mut Findings) {
    let section = Path::Root.key("flags");
    for (name, flag) in &spec.flags {
        let path = section.key(name);
        if flag.state == FlagState::Disabled && !flag.rules.is_empty() {
            let default = &flag.default_variant;
            let message =
                format!("everybody gets {default}, no rule is tried while the flag is disabled");
            findings.add(Lint::DisabledFlag, &path.key("state"), &message, "");
            continue;
        }
        let list = path.key("rules");
        for (index, rule) in flag.rules.iter().enumerate() {
            let before = flag.rules.iter().take(index).enumerate();
            let Some((at, _)) = before.into_iter().find(|(_, first)| hides(first, rule, spec, now))
            else {
                continue;
            };
            let first = rule_name(flag, at);
            let message = format!("is never reached: {first} already serves every request");
            let help = "put it before that rule, or give that rule a when";
            findings.add(Lint::UnreachableRule, &list.index(index), &message, help);
        }
    }
}

fn rule_name(flag: &Flag, at: usize) -> String {
    match flag.rules.get(at).and_then(|rule| rule.name.as_ref()) {
        Some(name) => format!("rules[{at}] ({name})"),
        None => format!("rules[{at}]"),
    }
}

/// Whether `first` serves every request that `later` applies to.
fn hides(first: &Rule, later: &Rule, spec: &Spec, now: Timestamp) -> bool {
    if first.layer.is_some() || (first.when.is_some() && first.when != later.when) {
        return false;
    }
    let bucketing = match &first.action {
        RuleAction::Serve(_) => return true,
        RuleAction::Split { bucketing, .. } => bucketing,
        RuleAction::Ramp { progress, bucketing, .. } if is_everybody(progress, now) => bucketing,
        RuleAction::Ramp { .. } => return false,
    };
    // A request without the unit reaches the next rule, which is reached unless it needs the same unit.
    let own = unit(bucketing, spec);
    let by_later = match &later.action {
        RuleAction::Serve(_) => None,
        RuleAction::Split { bucketing, .. } | RuleAction::Ramp { bucketing, .. } => {
            unit(bucketing, spec)
        }
    };
    always_there(own, spec) || (own.is_some() && own == by_later)
}

/// Whether a ramp's share is 100 % now and stays so.
fn is_everybody(progress: &Progress, now: Timestamp) -> bool {
    let last = match progress {
        Progress::Fixed(share) => *share,
        Progress::Steps { steps, .. } => steps.last().map(|step| step.share).unwrap_or_default(),
    };
    last == Share::ALL && progress.share_at(now) == Share::ALL
}

/// The name of the unit that a bucketing uses: the only unit of the spec if none is named.
pub(super) fn unit<'s>(bucketing: &'s Bucketing, spec: &'s Spec) -> Option<&'s str> {
    match &bucketing.unit {
        Some(name) => Some(name.as_str()),
        None => spec.units.names().next().filter(|_| spec.units.len() == 1),
    }
}

fn always_there(unit: Option<&str>, spec: &Spec) -> bool {
    let sources = unit.and_then(|unit| spec.units.get(unit));
    let last = sources.and_then(|sources| sources.last());
    matches!(last, Some(UnitSource::Anonymous(_)))
}

pub(super) fn arms(spec: &Spec, plan: &Plan, findings: &mut Findings) {
    let section = Path::Root.key("rollouts");
    for rollout in plan.rollouts() {
        let path = section.key(rollout.name());
        let list = path.key("arms");
        let weights = spec.rollouts.get(rollout.name()).map(|rollout| &rollout.mode);
        for (at, arm) in rollout.arms().iter().enumerate() {
            if rollout.reachable_arms().any(|id| id.index() == at) {
                continue;
            }
            let message = "no request can reach this arm";
            let help = match weights {
                Some(serin_core::spec::Mode::Split(_)) => "give it a weight in split, or remove it",
                _ => "name it in canary, split, blueGreen or shadow, or remove it",
            };
            findings.add(Lint::UnreachableArm, &list.key(arm.name()), &message, help);
        }
    }
}

/// Reports flags with an empty list of paths. A flag without a list is delivered on all paths.
pub(super) fn deliveries(spec: &Spec, findings: &mut Findings) {
    let section = Path::Root.key("flags");
    let requires = spec.flags.values().flat_map(|flag| &flag.requires);
    let required: BTreeSet<&str> = requires.map(|(to, _)| to.as_str()).collect();
    for (name, flag) in &spec.flags {
        let is_delivered = flag.deliver.as_ref().is_none_or(|paths| !paths.is_empty());
        if is_delivered || required.contains(name.as_str()) {
            continue;
        }
        let path = section.key(name);
        let message = "no upstream gets this flag: the list is empty";
        let help = "name paths, or leave deliver out to send it on all; apps can still ask for it";
        findings.add(Lint::UndeliveredFlag, &path.key("deliver").key("paths"), &message, help);
    }
}
