//! Random conditions.

use super::Random;
use super::pool::{self, Kind};
use serde_json::{Map, Value, json};

/// The names that a condition can refer to.
pub(super) struct Names {
    pub(super) units: Vec<String>,
    /// The cohorts that are defined already, so that no cycle arises.
    pub(super) cohorts: Vec<String>,
}

/// A condition, nested at most `depth` deep.
pub(super) fn condition(random: &mut Random, names: &Names, depth: usize) -> Value {
    if depth > 0 && random.chance(45) {
        let parts = |random: &mut Random| -> Vec<Value> {
            let count = random.between(1, 3);
            (0..count).map(|_| condition(random, names, depth - 1)).collect()
        };
        return match random.below(3) {
            0 => json!({ "all": parts(random) }),
            1 => json!({ "any": parts(random) }),
            _ => json!({ "not": condition(random, names, depth - 1) }),
        };
    }
    if !names.cohorts.is_empty() && random.chance(30) {
        return json!({ "cohort": random.pick(&names.cohorts) });
    }
    test(random, names)
}

fn test(random: &mut Random, names: &Names) -> Value {
    let (attribute, kind) = match random.below(10) {
        0 => return time(random),
        1 if !names.units.is_empty() => {
            (format!("unit.{}", random.pick(&names.units)), Kind::String)
        }
        2 | 3 => owned(*random.pick(&pool::REQUEST_ATTRIBUTES)),
        _ => owned(*random.pick(&pool::FIELD_ATTRIBUTES)),
    };
    let mut test = Map::new();
    test.insert("attribute".into(), attribute.into());
    for _ in 0..=usize::from(random.chance(15)) {
        let kind = if random.chance(90) { kind } else { Kind::String };
        let (operator, operand) = operator(random, kind);
        test.insert(operator.into(), operand);
    }
    test.into()
}

fn owned((name, kind): (&str, Kind)) -> (String, Kind) {
    (name.to_string(), kind)
}

/// A test of `time`, which accepts three operators only.
fn time(random: &mut Random) -> Value {
    let timestamps = &pool::TIMESTAMPS[..6];
    match random.below(5) {
        0 => json!({ "attribute": "time", "exists": random.chance(50) }),
        1 | 2 => json!({ "attribute": "time", "before": random.pick(timestamps) }),
        _ => json!({ "attribute": "time", "after": random.pick(timestamps) }),
    }
}

fn operator(random: &mut Random, kind: Kind) -> (&'static str, Value) {
    if random.chance(10) {
        return ("exists", random.chance(50).into());
    }
    let any = random.chance(30);
    match kind {
        Kind::Number if !any => {
            let bounds = ["lt", "lte", "gt", "gte", "equals"];
            let number = [json!(0), json!(1), json!(-12.5), json!(18), json!(42), json!(17.999)];
            (*random.pick(&bounds), random.pick(&number).clone())
        }
        Kind::Version if !any => ("semver", one_or_more(random, &pool::RANGES)),
        Kind::Timestamp if !any => {
            let timestamp = json!(random.pick(&pool::TIMESTAMPS[..6]));
            (*random.pick(&["before", "after"]), timestamp)
        }
        Kind::Address if !any => ("cidr", one_or_more(random, &pool::NETWORKS)),
        _ => string_operator(random, pool::values(kind)),
    }
}

fn string_operator(random: &mut Random, values: &[&str]) -> (&'static str, Value) {
    match random.below(7) {
        0 => ("equals", scalar(random, values)),
        1 => {
            let count = random.between(1, 4);
            ("in", (0..count).map(|_| scalar(random, values)).collect())
        }
        2 => ("glob", one_or_more(random, &pool::GLOBS)),
        choice => {
            let operator = ["prefix", "suffix", "contains"][choice % 3];
            let parts: Vec<String> = values.iter().map(|value| part(random, value)).collect();
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            (operator, one_or_more(random, &parts))
        }
    }
}

/// An operand of `equals` or `in`: a string, a number or a boolean.
fn scalar(random: &mut Random, values: &[&str]) -> Value {
    match random.below(8) {
        0 => random.chance(50).into(),
        1 => random.below(3).into(),
        _ => (*random.pick(values)).into(),
    }
}

/// A part of a string, not empty.
fn part(random: &mut Random, string: &str) -> String {
    let count = string.chars().count();
    let from = random.below(count);
    let length = random.between(1, count - from);
    string.chars().skip(from).take(length).collect()
}

/// One item, or a list of one to three.
fn one_or_more(random: &mut Random, items: &[&str]) -> Value {
    if random.chance(50) {
        return (*random.pick(items)).into();
    }
    let count = random.between(1, 3);
    random.sample(items, count).into()
}
