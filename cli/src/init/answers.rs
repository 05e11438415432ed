//! The answers that a first spec is written from.

use serde_json::{Value, json};

/// The parts of a first spec. What is empty has its default in [`super::template`].
#[derive(Clone, Default)]
pub(super) struct Answers {
    pub(super) hosts: Vec<String>,
    pub(super) rollout: Option<String>,
    pub(super) arms: Option<[Arm; 2]>,
    pub(super) unit: Vec<Source>,
    pub(super) cohort: Option<Cohort>,
    /// The canary's share in percent, a JSON number.
    pub(super) share: Option<Value>,
}

/// An arm's name and target.
#[derive(Clone)]
pub(super) struct Arm {
    pub(super) name: String,
    pub(super) target: String,
}

/// A source of the unit: its kind, such as `header`, and the name within the kind.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) kind: String,
    pub(super) name: String,
}

/// A cohort's name, and its only condition.
#[derive(Clone)]
pub(super) struct Cohort {
    pub(super) name: String,
    pub(super) attribute: String,
    pub(super) operator: String,
    pub(super) operand: Value,
}

/// The cookie of anonymous ids.
const ID_COOKIE: &str = "serin_id";

impl Answers {
    /// Reads hosts, separated by commas or spaces.
    pub(super) fn set_hosts(&mut self, text: &str) -> Result<(), String> {
        self.hosts = parts(text).map(str::to_owned).collect();
        Ok(())
    }

    /// Reads the baseline and the canary: `stable=shop-v1,canary=shop-v2`.
    pub(super) fn set_arms(&mut self, text: &str) -> Result<(), String> {
        let arms: Option<Vec<Arm>> = parts(text).map(arm).collect();
        let wrong = || format!("{text:?} is not two arms, write BASELINE=TARGET,CANARY=TARGET");
        self.arms = Some(arms.and_then(|arms| arms.try_into().ok()).ok_or_else(wrong)?);
        Ok(())
    }

    /// Reads the sources of the unit: `header.x-user-id,anonymous`.
    pub(super) fn set_unit(&mut self, text: &str) -> Result<(), String> {
        self.unit = parts(text).map(source).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Reads a cohort: `internal=header.x-email suffix @corp.example`. The value is a list if it has commas.
    pub(super) fn set_cohort(&mut self, text: &str) -> Result<(), String> {
        let wrong = || {
            format!(
                "{text:?} is not a cohort, write NAME=ATTRIBUTE OPERATOR VALUE, such as \
                 internal=header.x-email suffix @corp.example"
            )
        };
        let (name, condition) = text.split_once('=').ok_or_else(wrong)?;
        let mut words = condition.trim().splitn(3, ' ').map(str::trim);
        let (Some(attribute), Some(operator), Some(value)) =
            (words.next(), words.next(), words.next())
        else {
            return Err(wrong());
        };
        self.cohort = Some(Cohort {
            name: name.trim().to_owned(),
            attribute: attribute.to_owned(),
            operator: operator.to_owned(),
            operand: operand(operator, value),
        });
        Ok(())
    }

    /// Reads a percentage.
    pub(super) fn set_share(&mut self, text: &str) -> Result<(), String> {
        let share = serde_json::from_str(text.trim().trim_end_matches('%').trim_end());
        let share = share.ok().filter(Value::is_number);
        self.share = Some(share.ok_or_else(|| {
            format!("{text:?} is not a percentage, write a number from 0 to 100, such as 5")
        })?);
        Ok(())
    }
}

/// The parts of a list that a person types.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ']).map(str::trim).filter(|part| !part.is_empty())
}

fn arm(text: &str) -> Option<Arm> {
    let (name, target) = text.split_once('=')?;
    let arm = Arm { name: name.trim().to_owned(), target: target.trim().to_owned() };
    (!arm.name.is_empty() && !arm.target.is_empty()).then_some(arm)
}

fn source(text: &str) -> Result<Source, String> {
    let (kind, name) = text.split_once('.').unwrap_or((text, ""));
    let name = if kind == "anonymous" && name.is_empty() { ID_COOKIE } else { name };
    if name.is_empty() || !["header", "cookie", "query", "jwt", "anonymous"].contains(&kind) {
        return Err(format!(
            "{text:?} names no user, write header.NAME, cookie.NAME, query.NAME, jwt.CLAIM or anonymous"
        ));
    }
    Ok(Source { kind: kind.to_owned(), name: name.to_owned() })
}

/// The operand that an operator takes: a number, a boolean, a list or a string.
fn operand(operator: &str, value: &str) -> Value {
    let number = || serde_json::from_str::<Value>(value).ok().filter(Value::is_number);
    match operator {
        "lt" | "lte" | "gt" | "gte" => number().unwrap_or_else(|| value.into()),
        "exists" if value == "true" || value == "false" => json!(value == "true"),
        "in" => parts(value).collect(),
        "equals" | "semver" | "glob" => value.into(),
        _ if value.contains(',') => parts(value).collect(),
        _ => value.into(),
    }
}
