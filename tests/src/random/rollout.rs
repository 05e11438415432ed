//! Random rollouts.

use super::condition::condition;
use super::flag::{progress, split};
use super::spec::Scope;
use super::{Random, percent, pool};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// The pairs of host and path that other rollouts match.
type Taken = HashSet<(Option<&'static str>, String)>;

pub(super) fn rollouts(random: &mut Random, scope: &Scope) -> Map<String, Value> {
    let count = random.below(pool::ROLLOUTS.len());
    let mut taken = Taken::new();
    let mut rollouts = Map::new();
    for name in random.sample(&pool::ROLLOUTS, count) {
        if let Some(matches) = matches(random, &mut taken) {
            rollouts.insert(name.into(), rollout(random, scope, matches));
        }
    }
    rollouts
}

/// The `match` of a rollout; `None` if it overlaps with another one, which is invalid.
fn matches(random: &mut Random, taken: &mut Taken) -> Option<Value> {
    let mut matches = Map::new();
    let count = random.between(1, 2);
    let mut hosts = random.sample(&pool::HOSTS, count);
    if hosts.contains(&None) {
        hosts = vec![None];
    } else {
        matches.insert("hosts".into(), json!(hosts));
    }
    let mut keys: Vec<String> = vec![json!({"prefix": "/"}).to_string()];
    if random.chance(80) {
        let count = random.between(1, 3);
        let paths = random.sample(&pool::PATTERNS, count);
        keys.clear();
        let mut written = Vec::new();
        for path in paths {
            let exact = random.chance(35);
            let kind = if exact { "exact" } else { "prefix" };
            let full = json!({ kind: path });
            keys.push(full.to_string());
            written.push(if exact || random.chance(50) { full } else { path.into() });
        }
        matches.insert("paths".into(), written.into());
    }
    for host in hosts {
        for key in &keys {
            if !taken.insert((host, key.clone())) {
                return None;
            }
        }
    }
    Some(matches.into())
}

fn rollout(random: &mut Random, scope: &Scope, matches: Value) -> Value {
    let count = random.between(1, 4);
    let names: Vec<String> =
        random.sample(&pool::ARMS, count).into_iter().map(String::from).collect();
    let (baseline, others) = names.split_first().expect("there is an arm");
    let mut rollout = Map::new();
    if matches != json!({}) || random.chance(50) {
        rollout.insert("match".into(), matches);
    }
    rollout.insert("arms".into(), arms(random, baseline, &names));
    rollout.insert("baseline".into(), baseline.as_str().into());
    scope.bucketing(random, &mut rollout);
    match random.below(4) {
        0 if !others.is_empty() => {
            drop(rollout.insert("canary".into(), canary(random, scope, others)))
        }
        1 => split(random, &names, &mut rollout),
        2 => drop(rollout.insert("blueGreen".into(), blue_green(random, &names))),
        _ => {}
    }
    if random.chance(40) {
        rollout.insert("shadow".into(), shadow(random, scope, &names));
    }
    if random.chance(30) {
        rollout.insert("fallback".into(), "baseline".into());
    }
    add_guards(random, scope, &mut rollout);
    rollout.into()
}

/// Adds an epoch, a cooldown, flags that an abort disables, and gates if there is a ramp to compare.
fn add_guards(random: &mut Random, scope: &Scope, rollout: &mut Map<String, Value>) {
    if random.chance(50) {
        rollout.insert("epoch".into(), random.between(0, 3).into());
    }
    if random.chance(30) {
        rollout.insert("cooldown".into(), (*random.pick(&["30m", "1h"])).into());
    }
    let flags: Vec<&str> = scope.flags.iter().map(String::as_str).collect();
    if !flags.is_empty() && random.chance(30) {
        rollout.insert("onAbort".into(), json!({ "disable": [random.pick(&flags)] }));
    }
    let canary = rollout.get_mut("canary").and_then(Value::as_object_mut);
    let Some(canary) = canary.filter(|canary| {
        canary.contains_key("steps") || canary.get("share").is_some_and(|share| *share != 0)
    }) else {
        return;
    };
    if !random.chance(60) {
        return;
    }
    if let Some(steps) = canary.get_mut("steps").and_then(Value::as_array_mut) {
        for step in steps {
            let timed = step.get("hold").is_some_and(|hold| hold != "manual");
            if timed && random.chance(40) {
                step["mode"] = "gate".into();
            }
        }
    }
    let mut gates = Map::new();
    if random.chance(30) && !scope.names.cohorts.is_empty() {
        gates.insert("cohorts".into(), json!([random.pick(&scope.names.cohorts)]));
    }
    rollout.insert("gates".into(), gates.into());
}

/// Arms. None needs a newer schema than the baseline's.
fn arms(random: &mut Random, baseline: &str, names: &[String]) -> Value {
    let epoch = random.chance(30).then(|| random.between(1, 9));
    let mut arms = Map::new();
    for name in names {
        let mut arm = Map::new();
        arm.insert("target".into(), format!("up-{}", name.to_lowercase()).into());
        if let Some(epoch) = epoch {
            let own = if name == baseline { epoch } else { random.between(1, 9) };
            arm.insert("schemaEpoch".into(), own.into());
            if random.chance(50) {
                arm.insert("needsSchemaEpoch".into(), random.between(0, epoch).into());
            }
        }
        arms.insert(name.clone(), arm.into());
    }
    arms.into()
}

fn canary(random: &mut Random, scope: &Scope, others: &[String]) -> Value {
    let mut canary = Map::new();
    if others.len() > 1 || random.chance(50) {
        canary.insert("arm".into(), random.pick(others).as_str().into());
    }
    let rings = random.below(3);
    if rings > 0 {
        let list = (0..rings).map(|_| condition(random, &scope.names, 2)).collect();
        canary.insert("rings".into(), list);
    }
    if rings == 0 || random.chance(70) {
        progress(random, &mut canary);
    }
    canary.into()
}

fn blue_green(random: &mut Random, names: &[String]) -> Value {
    let active = random.pick(names);
    match random.chance(70) {
        true => {
            json!({"active": active, "pinSessions": random.pick(&["30m", "1s", "500ms", "1d"])})
        }
        false => json!({ "active": active }),
    }
}

fn shadow(random: &mut Random, scope: &Scope, names: &[String]) -> Value {
    let mut shadow = Map::new();
    shadow.insert("arm".into(), random.pick(names).as_str().into());
    shadow.insert("percent".into(), percent(random.share()));
    if random.chance(40) {
        shadow.insert("when".into(), condition(random, &scope.names, 2));
    }
    if random.chance(50) {
        let count = random.between(1, 3);
        shadow.insert("methods".into(), random.sample(&["GET", "HEAD", "POST"], count).into());
    }
    if random.chance(30) {
        shadow.insert("compare".into(), (*random.pick(&["none", "status", "body"])).into());
        shadow.insert("maxInFlight".into(), random.between(1, 1000).into());
    }
    shadow.into()
}
