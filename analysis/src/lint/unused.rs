//! Lints of definitions without a use.

use std::collections::BTreeSet;

use serin_core::inspect::Path;
use serin_core::spec::{Bucketing, Condition, Flag, FlagKind, Mode, Progress, RuleAction, Spec};
use serin_core::{Attribute, Share};

use super::finding::{Findings, Lint};
use super::reach::unit;

#[derive(Default)]
struct Used<'s> {
    cohorts: BTreeSet<&'s str>,
    units: BTreeSet<&'s str>,
    layers: BTreeSet<&'s str>,
}

pub(super) fn unused(spec: &Spec, findings: &mut Findings) {
    let mut used = Used::default();
    used.spec(spec);
    let held_out = spec.flags.values().any(is_held_out);
    let remove = "remove it, or name it where it is to count";
    let sections: [(&str, Lint, Vec<&str>); 3] = [
        ("cohorts", Lint::UnusedCohort, missing(spec.cohorts.names(), &used.cohorts)),
        ("units", Lint::UnusedUnit, missing(spec.units.names(), &used.units)),
        ("layers", Lint::UnusedLayer, missing(spec.layers.names(), &used.layers)),
    ];
    for (section, lint, names) in sections {
        let section = Path::Root.key(section);
        for name in names {
            findings.add(lint, &section.key(name), &"is used nowhere", remove);
        }
    }
    let section = Path::Root.key("holdouts");
    for (name, holdout) in &spec.holdouts {
        if held_out && holdout.share > Share::ZERO {
            continue;
        }
        let message = match held_out {
            true => "holds nobody out: its share is 0 %",
            false => "holds nobody out: every flag is of kind ops or permission",
        };
        findings.add(Lint::UnusedHoldout, &section.key(name), &message, "");
    }
}

fn missing<'s>(names: impl Iterator<Item = &'s str>, used: &BTreeSet<&str>) -> Vec<&'s str> {
    names.filter(|name| !used.contains(name)).collect()
}

fn is_held_out(flag: &Flag) -> bool {
    !matches!(flag.kind, Some(FlagKind::Ops | FlagKind::Permission))
}

impl<'s> Used<'s> {
    fn spec(&mut self, spec: &'s Spec) {
        for rule in spec.flags.values().flat_map(|flag| &flag.rules) {
            self.condition(spec, rule.when.as_ref());
            match &rule.action {
                RuleAction::Serve(_) => {}
                RuleAction::Ramp { bucketing, .. } | RuleAction::Split { bucketing, .. } => {
                    self.units.extend(unit(bucketing, spec));
                }
            }
            self.layers.extend(rule.layer.as_ref().map(|layer| layer.name.as_str()));
        }
        for rollout in spec.rollouts.values() {
            let mut buckets = rollout.shadow.is_some() || rollout.bucketing.unit.is_some();
            if let Mode::Canary { rings, progress, .. } = &rollout.mode {
                rings.iter().for_each(|ring| self.condition(spec, Some(ring)));
                buckets |= *progress != Progress::default();
            }
            buckets |= matches!(rollout.mode, Mode::Split(_));
            if let Some(shadow) = &rollout.shadow {
                self.condition(spec, shadow.when.as_ref());
            }
            for name in rollout.abort_policy.gates.iter().flat_map(|gates| &gates.cohorts) {
                self.cohorts.insert(name);
                self.condition(spec, spec.cohorts.get(name));
            }
            if buckets {
                self.units.extend(unit(&rollout.bucketing, spec));
            }
        }
        let groups = spec.holdouts.values().map(|holdout| &holdout.bucketing);
        let groups: Vec<&Bucketing> = groups.chain(spec.layers.values()).collect();
        self.units.extend(groups.into_iter().filter_map(|group| unit(group, spec)));
    }

    /// Marks what a condition uses. A cohort that a used cohort names is used; each is visited once.
    fn condition(&mut self, spec: &'s Spec, condition: Option<&'s Condition>) {
        let mut pending: Vec<&Condition> = condition.into_iter().collect();
        while let Some(condition) = pending.pop() {
            match condition {
                Condition::All(parts) | Condition::Any(parts) => pending.extend(parts),
                Condition::Not(part) => pending.push(part),
                Condition::Cohort(name) => {
                    if self.cohorts.insert(name) {
                        pending.extend(spec.cohorts.get(name));
                    }
                }
                Condition::Test { attribute: Attribute::Unit(name), .. } => {
                    self.units.insert(name);
                }
                Condition::Test { .. } => {}
            }
        }
    }
}
