//! Random flags, and the parts that rollouts have too: progress, splits and paths.

use super::condition::condition;
use super::spec::Scope;
use super::{Random, percent, pool};
use serde_json::{Map, Value, json};

/// A flag that is defined already, so that another one may require it.
struct Known {
    name: String,
    variants: Vec<String>,
}

pub(super) fn flags(random: &mut Random, scope: &Scope) -> Map<String, Value> {
    let count = random.below(7);
    let mut flags = Map::new();
    let mut known: Vec<Known> = Vec::new();
    for name in random.sample(&pool::FLAGS, count) {
        let (flag, variants) = flag(random, scope, &known);
        known.push(Known { name: name.into(), variants });
        flags.insert(name.into(), flag);
    }
    flags
}

fn flag(random: &mut Random, scope: &Scope, known: &[Known]) -> (Value, Vec<String>) {
    let (variants, names) = variants(random);
    let mut flag = Map::new();
    flag.insert("variants".into(), variants);
    flag.insert("defaultVariant".into(), random.pick(&names).as_str().into());
    match random.below(5) {
        0 => {}
        1 => drop(flag.insert("kind".into(), "ops".into())),
        2 => drop(flag.insert("kind".into(), "permission".into())),
        choice => {
            flag.insert("kind".into(), ["release", "experiment"][choice % 2].into());
            flag.insert("owner".into(), "web@example.com".into());
            flag.insert("expires".into(), "2026-12-31".into());
        }
    }
    if random.chance(8) {
        flag.insert("state".into(), "disabled".into());
    }
    if !known.is_empty() && random.chance(30) {
        let count = random.between(1, 2);
        let required = (0..count).map(|_| {
            let other = random.pick(known);
            json!({"flag": other.name, "variant": random.pick(&other.variants)})
        });
        flag.insert("requires".into(), required.collect());
    }
    let count = random.below(4);
    let rules: Vec<Value> = (0..count).map(|index| rule(random, scope, &names, index)).collect();
    if count > 0 || random.chance(50) {
        flag.insert("rules".into(), rules.into());
    }
    if random.chance(50) {
        let count = random.between(1, 3);
        let paths = random.sample(&pool::PATTERNS, count);
        let paths: Vec<Value> = paths.iter().map(|path| path_match(random, path)).collect();
        flag.insert("deliver".into(), json!({ "paths": paths }));
    }
    (flag.into(), names)
}

/// Variants with values of one type, and their names. Some strings and numbers have no encoding in
/// HTTP Structured Fields.
fn variants(random: &mut Random) -> (Value, Vec<String>) {
    let (max_count, values): (usize, Vec<Value>) = match random.below(5) {
        0 => (2, vec![json!(true), json!(false)]),
        1 => (
            8,
            ["dark", "light", "", "a\"b\\c", "Zoë", "日本語", "two words", "\t"]
                .map(Value::from)
                .into(),
        ),
        2 => (6, vec![json!(0), json!(-1), json!(1.5), json!(12.125), json!(1e20), json!(0.12345)]),
        3 => (3, vec![json!({"a": 1}), json!({}), json!({"b": [true, null]})]),
        _ => (3, vec![json!([]), json!([1, "x"]), json!([[]])]),
    };
    let count = random.between(1, max_count);
    let names: Vec<String> =
        random.sample(&pool::VARIANTS, count).into_iter().map(String::from).collect();
    let entries = names.iter().map(|name| (name.clone(), random.pick(&values).clone()));
    (Value::Object(entries.collect()), names)
}

fn rule(random: &mut Random, scope: &Scope, variants: &[String], index: usize) -> Value {
    let mut rule = Map::new();
    if random.chance(70) {
        rule.insert("name".into(), format!("rule-{index}").into());
    }
    if random.chance(50) {
        rule.insert("when".into(), condition(random, &scope.names, 3));
    }
    if !scope.layers.is_empty() && random.chance(35) {
        let (low, high) = range(random);
        let name = random.pick(&scope.layers);
        let layer = json!({"name": name, "range": [percent(low), percent(high)]});
        rule.insert("layer".into(), layer);
    }
    let variant = random.pick(variants).as_str();
    match random.below(3) {
        0 => drop(rule.insert("serve".into(), variant.into())),
        1 => {
            let mut ramp = Map::new();
            ramp.insert("variant".into(), variant.into());
            progress(random, &mut ramp);
            scope.bucketing(random, &mut ramp);
            rule.insert("ramp".into(), ramp.into());
        }
        _ => {
            split(random, variants, &mut rule);
            scope.bucketing(random, &mut rule);
        }
    }
    rule.into()
}

/// The range of a layer, not empty.
fn range(random: &mut Random) -> (u32, u32) {
    loop {
        let (one, two) = (random.share(), random.share());
        if one != two {
            return (one.min(two), one.max(two));
        }
    }
}

/// A share, or steps around [`super::START`].
pub(super) fn progress(random: &mut Random, to: &mut Map<String, Value>) {
    if random.chance(50) {
        to.insert("share".into(), percent(random.share()));
        return;
    }
    let count = random.between(1, 4);
    let mut timed = false;
    let mut steps = Vec::new();
    for index in 0..count {
        let mut step = Map::new();
        step.insert("share".into(), percent(random.share()));
        if index + 1 < count || random.chance(20) {
            let hold = *random.pick(&["10m", "30m", "1h", "1h30m", "500ms", "manual"]);
            timed |= hold != "manual";
            step.insert("hold".into(), hold.into());
        }
        steps.push(Value::Object(step));
    }
    to.insert("steps".into(), steps.into());
    if timed || random.chance(50) {
        let starts = ["2026-11-21T09:00:00Z", "2026-11-21T08:30:00Z", "2026-11-21"];
        to.insert("start".into(), (*random.pick(&starts)).into());
    }
}

/// A split over any of the names, with or without a past, which may hold other names.
pub(super) fn split(random: &mut Random, names: &[String], to: &mut Map<String, Value>) {
    to.insert("split".into(), weights(random, names));
    if random.chance(40) {
        let mut past_names: Vec<String> = names.to_vec();
        past_names.extend(["gone".into(), "Away".into()]);
        let count = random.between(1, 3);
        let past: Vec<Value> = (0..count).map(|_| weights(random, &past_names)).collect();
        to.insert("past".into(), past.into());
    }
}

fn weights(random: &mut Random, names: &[String]) -> Value {
    let count = random.between(1, names.len());
    let names = random.sample(names, count);
    let shares = random.shares(count);
    let entries = names.into_iter().zip(shares.into_iter().map(percent));
    Value::Object(entries.collect())
}

/// A path pattern in one of its three spellings.
pub(super) fn path_match(random: &mut Random, path: &str) -> Value {
    match random.below(3) {
        0 => path.into(),
        1 => json!({ "prefix": path }),
        _ => json!({ "exact": path }),
    }
}
