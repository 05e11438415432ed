//! Random specs.

use super::condition::{Names, condition};
use super::{Random, flag, percent, pool, rollout};
use serde_json::{Map, Value, json};

/// The names that flags and rollouts can refer to.
pub(super) struct Scope {
    pub(super) names: Names,
    pub(super) layers: Vec<String>,
    pub(super) flags: Vec<String>,
}

impl Scope {
    /// Adds a unit, which only a spec with one unit may omit, and sometimes a salt.
    pub(super) fn bucketing(&self, random: &mut Random, to: &mut Map<String, Value>) {
        let units = &self.names.units;
        if units.len() > 1 || random.chance(50) {
            to.insert("unit".into(), random.pick(units).as_str().into());
        }
        if random.chance(25) {
            to.insert("salt".into(), (*random.pick(&pool::SALTS)).into());
        }
    }
}

/// A valid spec. Every part of the spec language is optional in it.
pub fn spec(random: &mut Random) -> Value {
    let mut spec = Map::new();
    spec.insert("formatVersion".into(), 1.into());
    if random.chance(80) {
        spec.insert("revision".into(), random.below(1_000_000).into());
    }
    if random.chance(20) {
        spec.insert("deploy".into(), json!({"id": "2026-11-20.3", "gitSha": "1f3c9ab"}));
    }
    let units = units(random);
    let names = Names { units: units.keys().cloned().collect(), cohorts: Vec::new() };
    spec.insert("units".into(), units.into());
    let mut scope = Scope { names, layers: Vec::new(), flags: Vec::new() };
    let cohorts = cohorts(random, &mut scope.names);
    add_section(&mut spec, "cohorts", cohorts);
    let holdouts = named_entries(random, &["q4", "all", "H_1"], |random, holdout| {
        scope.bucketing(random, holdout);
        let share =
            if random.chance(70) { random.between(0, 30_000) as u32 } else { random.share() };
        holdout.insert("percent".into(), percent(share));
    });
    add_section(&mut spec, "holdouts", holdouts);
    let layers = named_entries(random, &["ranking", "L2", "x"], |random, layer| {
        scope.bucketing(random, layer)
    });
    scope.layers = layers.keys().cloned().collect();
    add_section(&mut spec, "layers", layers);
    let flags = flag::flags(random, &scope);
    scope.flags = flags.keys().cloned().collect();
    add_section(&mut spec, "flags", flags);
    let rollouts = rollout::rollouts(random, &scope);
    add_section(&mut spec, "rollouts", rollouts);
    spec.into()
}

/// Adds a section; an empty one is sometimes omitted.
fn add_section(spec: &mut Map<String, Value>, section: &str, entries: Map<String, Value>) {
    if !entries.is_empty() || spec.len().is_multiple_of(2) {
        spec.insert(section.into(), entries.into());
    }
}

/// An object with entries for some of the names.
fn named_entries(
    random: &mut Random,
    names: &[&str],
    mut fill: impl FnMut(&mut Random, &mut Map<String, Value>),
) -> Map<String, Value> {
    let count = random.below(names.len() + 1);
    let mut all = Map::new();
    for name in random.sample(names, count) {
        let mut one = Map::new();
        fill(random, &mut one);
        all.insert(name.into(), one.into());
    }
    all
}

fn units(random: &mut Random) -> Map<String, Value> {
    let sources = [
        json!({"jwt": "sub"}),
        json!({"header": "x-user-id"}),
        json!({"header": "X-Tenant-Id"}),
        json!({"cookie": "uid"}),
        json!({"query": "ref"}),
    ];
    let count = random.between(1, 3);
    let mut units = Map::new();
    for name in random.sample(&["user", "tenant", "Device"], count) {
        let count = random.between(1, 3);
        let mut list = random.sample(&sources, count);
        if random.chance(25) {
            list.push(json!({"anonymous": format!("serin_{}", name.to_lowercase())}));
        }
        units.insert(name.into(), list.into());
    }
    units
}

fn cohorts(random: &mut Random, names: &mut Names) -> Map<String, Value> {
    let count = random.below(5);
    let mut cohorts = Map::new();
    for name in random.sample(&pool::COHORTS, count) {
        cohorts.insert(name.into(), condition(random, names, 2));
        names.cohorts.push(name.into());
    }
    cohorts
}
