//! Lints of overlaps: layers and salts that make experiments share users.

use std::collections::BTreeMap;

use serin_core::Purpose;
use serin_core::inspect::{Path, quoted};
use serin_core::plan::{Bucketing, Plan};
use serin_core::spec::{LayerRange, Spec};

use super::finding::{Finding, Findings, Lint};

pub(super) fn layers(spec: &Spec, findings: &mut Findings) {
    let section = Path::Root.key("flags");
    let mut claims: Vec<(&str, usize, &LayerRange)> = Vec::new();
    for (name, flag) in &spec.flags {
        for (index, rule) in flag.rules.iter().enumerate() {
            let Some(layer) = &rule.layer else { continue };
            // Rules of one flag are tried in order: they never both serve.
            let other = claims.iter().find(|(other, _, claimed)| {
                *other != name && claimed.name == layer.name && overlap(claimed, layer)
            });
            if let Some((other, at, claimed)) = other {
                let (from, to) = (claimed.from, claimed.to);
                let message = format!(
                    "overlaps with flags.{other}.rules[{at}], which has {from} to {to} of this layer"
                );
                let (path, list) = (section.key(name), "rules");
                let rules = path.key(list);
                let rule = rules.index(index);
                let help = "ranges that do not overlap keep experiments from sharing users";
                findings.add(
                    Lint::OverlappingLayers,
                    &rule.key("layer").key("range"),
                    &message,
                    help,
                );
            }
            claims.push((name, index, layer));
        }
    }
}

fn overlap(a: &LayerRange, b: &LayerRange) -> bool {
    a.from < b.to && b.from < a.to
}

/// A flag or rollout that buckets.
struct Bucketed<'p> {
    /// `flags` or `rollouts`, and its name.
    owner: (&'p str, &'p str),
    by: &'p Bucketing,
    /// The path of the salt, whether or not the spec has one.
    place: String,
}

pub(super) fn salts(plan: &Plan, findings: &mut Findings) {
    // The first owner of each combination.
    let mut first: BTreeMap<(&str, usize, u64), (&str, &str)> = BTreeMap::new();
    for bucketed in all(plan) {
        let by = bucketed.by;
        let key = (by.salt(), by.unit().index(), by.purpose().seed());
        let owner = *first.entry(key).or_insert(bucketed.owner);
        if owner == bucketed.owner {
            continue;
        }
        let ((section, name), salt) = (owner, quoted(by.salt()));
        let message =
            format!("{section}.{name} has the salt {salt} too: both take the same users first");
        let help = "where that is not meant, give one of them a salt of its own";
        findings.0.push(Finding {
            lint: Lint::SharedSalt,
            path: bucketed.place,
            message,
            help: Some(help.into()),
            replacement: None,
        });
    }
}

fn all(plan: &Plan) -> Vec<Bucketed<'_>> {
    let mut all = Vec::new();
    let section = Path::Root.key("flags");
    for flag in plan.flags() {
        let path = section.key(flag.name());
        let rules = path.key("rules");
        for (index, rule) in flag.rules().iter().enumerate() {
            let Some(by) = rule.bucketing() else { continue };
            let rule_path = rules.index(index);
            // A split's salt is beside its weights, a ramp's inside.
            let place = match by.purpose() {
                Purpose::Ramp => rule_path.key("ramp"),
                _ => rule_path,
            };
            let place = place.key("salt").to_string();
            all.push(Bucketed { owner: ("flags", flag.name()), by, place });
        }
    }
    let section = Path::Root.key("rollouts");
    for rollout in plan.rollouts() {
        let Some(by) = rollout.bucketing() else { continue };
        let place = section.key(rollout.name()).key("salt").to_string();
        all.push(Bucketed { owner: ("rollouts", rollout.name()), by, place });
    }
    all
}
