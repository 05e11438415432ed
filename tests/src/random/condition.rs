//! Conditions by chance.

use super::Random;
use super::pool::{self, Kind};
use serde_json::{Map, Value, json};

/// What conditions can refer to.
pub(super) struct Names {
    pub(super) units: Vec<String>,
    /// Cohorts that are there already, so that no cycle comes about.
    pub(super) cohorts: Vec<String>,
}

/// A condition, nested at most `depth` deep.
pub(super) fn condition(random: &mut Random, names: &Names, depth: usize) -> Value {
    if depth > 0 && random.percent(45) {
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
    if !names.cohorts.is_empty() && random.percent(30) {
        return json!({ "cohort": random.pick(&names.cohorts) });
    }
    test(random, names)
}

fn test(random: &mut Random, names: &Names) -> Value {
    let (attribute, kind) = match random.below(10) {
        0 => return time(random),
        1 if !names.units.is_empty() => (format!("unit.{}", random.pick(&names.units)), Kind::Text),
        2 | 3 => own(*random.pick(&pool::PLAIN)),
        _ => own(*random.pick(&pool::FIELDS)),
    };
    let mut test = Map::new();
    test.insert("attribute".into(), attribute.into());
    for _ in 0..=usize::from(random.percent(15)) {
        let kind = if random.percent(90) { kind } else { Kind::Text };
        let (operator, operand) = operator(random, kind);
        test.insert(operator.into(), operand);
    }
    test.into()
}

fn own((name, kind): (&str, Kind)) -> (String, Kind) {
    (name.to_string(), kind)
}

/// `time` takes three operators only.
fn time(random: &mut Random) -> Value {
    let moments = &pool::MOMENTS[..6];
    match random.below(5) {
        0 => json!({ "attribute": "time", "exists": random.percent(50) }),
        1 | 2 => json!({ "attribute": "time", "before": random.pick(moments) }),
        _ => json!({ "attribute": "time", "after": random.pick(moments) }),
    }
}

fn operator(random: &mut Random, kind: Kind) -> (&'static str, Value) {
    if random.percent(10) {
        return ("exists", random.percent(50).into());
    }
    let any = random.percent(30);
    match kind {
        Kind::Number if !any => {
            let bounds = ["lt", "lte", "gt", "gte", "equals"];
            let number = [json!(0), json!(1), json!(-12.5), json!(18), json!(42), json!(17.999)];
            (*random.pick(&bounds), random.pick(&number).clone())
        }
        Kind::Version if !any => ("semver", one_or_more(random, &pool::RANGES)),
        Kind::Moment if !any => {
            let moment = json!(random.pick(&pool::MOMENTS[..6]));
            (*random.pick(&["before", "after"]), moment)
        }
        Kind::Address if !any => ("cidr", one_or_more(random, &pool::NETWORKS)),
        _ => text_operator(random, pool::values(kind)),
    }
}

fn text_operator(random: &mut Random, values: &[&str]) -> (&'static str, Value) {
    match random.below(7) {
        0 => ("equals", scalar(random, values)),
        1 => {
            let count = random.between(1, 4);
            ("in", (0..count).map(|_| scalar(random, values)).collect())
        }
        2 => ("glob", one_or_more(random, &pool::GLOBS)),
        at => {
            let operator = ["prefix", "suffix", "contains"][at % 3];
            let parts: Vec<String> = values.iter().map(|text| part(random, text)).collect();
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            (operator, one_or_more(random, &parts))
        }
    }
}

/// A text, a number or a boolean to be equal to.
fn scalar(random: &mut Random, values: &[&str]) -> Value {
    match random.below(8) {
        0 => random.percent(50).into(),
        1 => random.below(3).into(),
        _ => (*random.pick(values)).into(),
    }
}

/// A part of a text that is not empty.
fn part(random: &mut Random, text: &str) -> String {
    let count = text.chars().count();
    let from = random.below(count);
    let length = random.between(1, count - from);
    text.chars().skip(from).take(length).collect()
}

fn one_or_more(random: &mut Random, items: &[&str]) -> Value {
    if random.percent(50) {
        return (*random.pick(items)).into();
    }
    let count = random.between(1, 3);
    random.some(items, count).into()
}
