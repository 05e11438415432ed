//! Lints of operands: those that no value of their attribute passes, and those that compare something else
//! than they seem to.

mod cure;
mod language;
mod values;
mod versions;

use std::collections::BTreeMap;

use serin_core::inspect::{Operand, Path};
use serin_core::spec::{Condition, HostMatch, Mode, PathMatch, Spec};
use serin_core::{Attribute, Operator};

use super::finding::{Findings, Lint};
use cure::{Cure, Help, Part};
use values::{Kind, Type, Values};

/// The maximum number of items of one operand that are reported.
const MAX_REPORTED: usize = 20;
/// The maximum number of patterns of one `glob` that are judged, each at the cost of an automaton's run.
const MAX_PATTERNS: usize = 1000;
/// The maximum number of operators on one value that are compared with each other, and of pairs of operands.
const MAX_OPERATORS: usize = 32;
const MAX_PAIRS: usize = 1_000_000;

pub(super) fn operands(spec: &Spec, findings: &mut Findings) {
    let mut linter = Linter { spec, findings };
    let section = Path::Root.key("cohorts");
    for (name, condition) in &spec.cohorts {
        linter.condition(condition, &section.key(name));
    }
    let section = Path::Root.key("flags");
    for (name, flag) in &spec.flags {
        let path = section.key(name);
        let deliver = path.key("deliver");
        linter.paths(flag.deliver.as_deref().unwrap_or_default(), &deliver.key("paths"));
        let rules = path.key("rules");
        for (index, rule) in flag.rules.iter().enumerate() {
            if let Some(when) = &rule.when {
                linter.condition(when, &rules.index(index).key("when"));
            }
        }
    }
    let section = Path::Root.key("rollouts");
    for (name, rollout) in &spec.rollouts {
        let path = section.key(name);
        let matches = path.key("match");
        linter.hosts(&rollout.matches.hosts, &matches.key("hosts"));
        linter.paths(&rollout.matches.paths, &matches.key("paths"));
        if let Mode::Canary { rings, .. } = &rollout.mode {
            let canary = path.key("canary");
            let list = canary.key("rings");
            for (index, ring) in rings.iter().enumerate() {
                linter.condition(ring, &list.index(index));
            }
        }
        if let Some(when) = rollout.shadow.as_ref().and_then(|shadow| shadow.when.as_ref()) {
            linter.condition(when, &path.key("shadow").key("when"));
        }
    }
}

struct Linter<'l> {
    spec: &'l Spec,
    findings: &'l mut Findings,
}

impl Linter<'_> {
    fn condition(&mut self, condition: &Condition, path: &Path<'_>) {
        match condition {
            Condition::All(parts) => {
                let list = path.key("all");
                self.conditions(parts, &list);
                self.all(parts, &list);
            }
            Condition::Any(parts) => self.conditions(parts, &path.key("any")),
            Condition::Not(part) => self.condition(part, &path.key("not")),
            Condition::Cohort(_) => {}
            Condition::Test { attribute, operators } => self.test(attribute, operators, path),
        }
    }

    fn conditions(&mut self, parts: &[Condition], path: &Path<'_>) {
        for (index, part) in parts.iter().enumerate() {
            self.condition(part, &path.index(index));
        }
    }

    /// Reports tests of one attribute, side by side in `all`, that exclude each other.
    fn all(&mut self, parts: &[Condition], path: &Path<'_>) {
        let mut by_attribute: BTreeMap<&Attribute, Vec<(usize, &[Operator])>> = BTreeMap::new();
        for (index, part) in parts.iter().enumerate() {
            if let Condition::Test { attribute, operators } = part {
                by_attribute.entry(attribute).or_default().push((index, operators));
            }
        }
        for tests in by_attribute.into_values().filter(|tests| tests.len() > 1) {
            if tests.iter().any(|(_, operators)| contradiction(&indexed(0, operators)).is_some()) {
                continue;
            }
            let together = tests.iter().flat_map(|(index, operators)| indexed(*index, operators));
            let together: Vec<(usize, &Operator)> = together.take(MAX_OPERATORS).collect();
            if let Some((index, operator, message)) = contradiction(&together) {
                let help = "all of these tests must hold; for alternatives, write any: [ … ]";
                let item = path.index(index);
                self.findings.add(Lint::NeverHolds, &item.key(operator.name()), &message, help);
            }
        }
    }

    fn test(&mut self, attribute: &Attribute, operators: &[Operator], path: &Path<'_>) {
        if let Some(Cure { message, help }) = cure::unlikely_name(attribute) {
            self.add(Lint::UnlikelyOperand, &path.key("attribute"), &message, help);
        }
        let mut can_hold = true;
        for operator in operators {
            can_hold &= self.operator(attribute, operator, &path.key(operator.name()));
        }
        if can_hold && let Some((_, operator, message)) = contradiction(&indexed(0, operators)) {
            let help = "all operators of a test must hold; for alternatives, write any: [ … ]";
            self.findings.add(Lint::NeverHolds, &path.key(operator.name()), &message, help);
        }
    }

    /// Reports the operands that cannot hold or seem to mean something else. Returns whether one can hold.
    fn operator(&mut self, attribute: &Attribute, operator: &Operator, path: &Path<'_>) -> bool {
        let Some(values) = values::of(attribute, self.spec) else {
            return self.time(operator, path);
        };
        let mut operands = operator.operands();
        let is_list = operands.len() > 1 || operator.name() == "in";
        if operator.name() == "glob" {
            operands.truncate(MAX_PATTERNS);
        }
        let (mut reported, mut can_hold) = (0_usize, operands.is_empty());
        for (index, operand) in operands.iter().enumerate() {
            let item = path.index(index);
            let place = if is_list { &item } else { path };
            let found = if values.iter().any(|values| holds(values, operator, operand)) {
                can_hold = true;
                cure::unlikely(attribute, operator, operand)
                    .map(|cure| (Lint::UnlikelyOperand, cure))
            } else {
                let kind = values.first().map_or(Kind::Free, |values| values.kind);
                let mut cure = cure::never(kind, operator, operand);
                cure.message = format!("can never hold: {}", cure.message);
                Some((Lint::NeverHolds, cure))
            };
            if let Some((lint, Cure { message, help })) = found {
                if reported < MAX_REPORTED {
                    self.add(lint, place, &message, help);
                }
                reported = reported.saturating_add(1);
            }
        }
        can_hold
    }

    /// Reports an operand with its remedy.
    fn add(&mut self, lint: Lint, path: &Path<'_>, message: &str, help: Help) {
        self.findings.add(lint, path, &message, &help.text);
        if let Some(finding) = self.findings.0.last_mut() {
            finding.replacement = help.replacement.filter(|_| lint == Lint::NeverHolds);
        }
    }

    /// Reports `exists: false` of the time, which every decision has.
    fn time(&mut self, operator: &Operator, path: &Path<'_>) -> bool {
        let is_missing = matches!(*operator.operands(), [Operand::Bool(false)]);
        if is_missing {
            let message = "can never hold: every decision has a time";
            self.findings.add(Lint::NeverHolds, path, &message, "");
        }
        !is_missing
    }

    fn paths(&mut self, paths: &[PathMatch], path: &Path<'_>) {
        for (index, pattern) in paths.iter().enumerate() {
            let (PathMatch::Exact(text) | PathMatch::Prefix(text)) = pattern;
            if let Some(Cure { message, .. }) = cure::placeholder(Part::Whole, text) {
                let help = "write the prefix before it, and test the rest in a condition with glob";
                self.findings.add(Lint::UnlikelyOperand, &path.index(index), &message, help);
            }
        }
    }

    fn hosts(&mut self, hosts: &[HostMatch], path: &Path<'_>) {
        for (index, host) in hosts.iter().enumerate() {
            let (part, name, is_possible) = match host {
                HostMatch::Exact(name) => (Part::Whole, name.clone(), values::HOST.has(name)),
                HostMatch::Below(name) => {
                    let end = format!(".{name}");
                    let is_possible = values::HOST.has_end(&end);
                    (Part::End, end, is_possible)
                }
            };
            if !is_possible {
                let Cure { message, help } = cure::host(part, &name);
                let message = format!("no request has this host: {message}");
                self.add(Lint::NeverHolds, &path.index(index), &message, help);
            }
        }
    }
}

/// Whether some value passes the operand.
fn holds(values: &Values, operator: &Operator, operand: &Operand<'_>) -> bool {
    let Values { kind, language } = values;
    match (operator.name(), operand) {
        ("exists", _) => true,
        (name, Operand::String(text)) => match name {
            "prefix" => language.has_start(text),
            "contains" => language.has_middle(text),
            "suffix" => language.has_end(text),
            _ => language.has(text),
        },
        (_, Operand::Glob(pattern)) => language.has_match(pattern),
        (_, Operand::Bool(value)) => language.has(if *value { "true" } else { "false" }),
        (name, Operand::Number(number)) => {
            kind.can_be(Type::Number)
                && (*kind != Kind::Asn
                    || match name {
                        "lt" | "lte" => operator.accepts("0"),
                        "gt" | "gte" => operator.accepts("4294967295"),
                        _ => number.contains(['.', 'e', 'E']) || number.parse::<u32>().is_ok(),
                    })
        }
        ("cidr", _) => kind.can_be(Type::Address),
        (_, Operand::Versions(range)) => kind.can_be(Type::Version) && !versions::is_empty(range),
        (_, Operand::Time(_)) => kind.can_be(Type::Timestamp),
        _ => true,
    }
}

/// The operators of the test at an index.
fn indexed(index: usize, operators: &[Operator]) -> Vec<(usize, &Operator)> {
    operators.iter().map(|operator| (index, operator)).collect()
}

/// An operator that never holds together with the other operators on the same value, the index of its test,
/// and why.
fn contradiction<'o>(operators: &[(usize, &'o Operator)]) -> Option<(usize, &'o Operator, String)> {
    let named = |names: &[&str]| -> Vec<(usize, &'o Operator)> {
        let is_named = |(_, operator): &&(usize, &Operator)| names.contains(&operator.name());
        operators.iter().filter(is_named).copied().collect()
    };
    for (index, exists) in named(&["exists"]) {
        let is_other = |(_, other): &(usize, &Operator)| *other != exists;
        if *exists.operands() == [Operand::Bool(false)] && operators.iter().any(is_other) {
            let message = "can never hold: a missing value passes no other operator";
            return Some((index, exists, message.into()));
        }
    }
    for (index, set) in named(&["equals", "in"]) {
        if let Some(others) = excluded_by(set, operators) {
            return Some((index, set, format!("can never hold together with {others}")));
        }
    }
    for (names, others) in [
        (&["gt", "gte"][..], &["lt", "lte"][..]),
        (&["after"], &["before"]),
        (&["prefix"], &["prefix"]),
        (&["suffix"], &["suffix"]),
    ] {
        for (index, one) in named(names) {
            for (_, other) in named(others) {
                if !meet(one, other) {
                    return Some((index, one, format!("can never hold together with {other}")));
                }
            }
        }
    }
    None
}

/// The operators that reject the values of `equals` or `in`, if no value passes all.
fn excluded_by(set: &Operator, operators: &[(usize, &Operator)]) -> Option<String> {
    const OF_NUMBERS: [&str; 6] = ["equals", "in", "lt", "lte", "gt", "gte"];
    // A number has many spellings, which only operators for numbers take for one.
    let is_number = |operand: &Operand<'_>| matches!(operand, Operand::Number(_));
    let is_of_numbers = |(_, operator): &(usize, &Operator)| OF_NUMBERS.contains(&operator.name());
    if set.operands().iter().any(is_number) && !operators.iter().all(is_of_numbers) {
        return None;
    }
    let values = strings(set);
    let pairs =
        operators.iter().map(|(_, other)| other.operands().len().saturating_mul(values.len()));
    if pairs.fold(0, usize::saturating_add) > MAX_PAIRS {
        return None;
    }
    let is_possible = |value: &String| operators.iter().all(|(_, other)| other.accepts(value));
    if values.iter().any(is_possible) {
        return None;
    }
    let rejects = |other: &Operator| values.iter().any(|value| !other.accepts(value));
    let others = operators.iter().filter(|(_, other)| rejects(other));
    Some(others.map(|(_, other)| other.to_string()).collect::<Vec<_>>().join(" and "))
}

/// Whether some value passes both operators, which bound a value from two sides or from the same.
fn meet(one: &Operator, other: &Operator) -> bool {
    let (ones, others) = (strings(one), strings(other));
    if ones.len().saturating_mul(others.len()) > MAX_PAIRS {
        return true;
    }
    let extends = |a: &str, b: &str| match one.name() {
        "prefix" => a.starts_with(b),
        _ => a.ends_with(b),
    };
    match one.name() {
        "prefix" | "suffix" => {
            ones.iter().any(|a| others.iter().any(|b| extends(a, b) || extends(b, a)))
        }
        _ => {
            others.iter().all(|bound| one.accepts(bound))
                && ones.iter().all(|bound| other.accepts(bound))
        }
    }
}

/// The operands as strings that pass them.
fn strings(operator: &Operator) -> Vec<String> {
    let text = |operand: &Operand<'_>| match operand {
        Operand::String(text) | Operand::Number(text) => (*text).to_owned(),
        Operand::Bool(value) => value.to_string(),
        Operand::Time(time) => time.to_string(),
        _ => String::new(),
    };
    operator.operands().iter().map(text).collect()
}
