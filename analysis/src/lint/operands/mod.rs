//! Lints of operands: those that no value of their attribute passes, and those that compare something else
//! than they seem to.

mod cure;
mod language;
mod values;

use serin_core::inspect::{Operand, Path};
use serin_core::spec::{Condition, HostMatch, Mode, Spec};
use serin_core::{Attribute, Operator};

use super::finding::{Findings, Lint};
use cure::{Cure, Part};
use values::{Kind, Type, Values};

/// The maximum number of items of one operand that are reported.
const MAX_ITEMS: usize = 20;

pub(super) fn operands(spec: &Spec, findings: &mut Findings) {
    let mut linter = Linter { spec, findings };
    let section = Path::Root.key("cohorts");
    for (name, condition) in &spec.cohorts {
        linter.condition(condition, &section.key(name));
    }
    let section = Path::Root.key("flags");
    for (name, flag) in &spec.flags {
        let path = section.key(name);
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
            Condition::All(parts) => self.conditions(parts, &path.key("all")),
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

    fn test(&mut self, attribute: &Attribute, operators: &[Operator], path: &Path<'_>) {
        if *attribute == Attribute::Header("host".into()) {
            let message = "is missing in Envoy, where the host is no header field";
            let help = "use the attribute host";
            self.findings.add(Lint::UnlikelyOperand, &path.key("attribute"), &message, help);
        }
        let mut can_hold = true;
        for operator in operators {
            can_hold &= self.operator(attribute, operator, &path.key(operator.name()));
        }
        if can_hold && let Some((operator, message)) = contradiction(operators) {
            let help = "all operators of a test must hold; for alternatives, write any: [ … ]";
            self.findings.add(Lint::NeverHolds, &path.key(operator.name()), &message, help);
        }
    }

    /// Reports the operands that cannot hold or seem to mean something else. Returns whether one can hold.
    fn operator(&mut self, attribute: &Attribute, operator: &Operator, path: &Path<'_>) -> bool {
        let Some(values) = values::of(attribute, self.spec) else {
            return self.time(operator, path);
        };
        let operands = operator.operands();
        let is_list = operands.len() > 1 || operator.name() == "in";
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
                if reported < MAX_ITEMS {
                    self.findings.add(lint, place, &message, &help);
                }
                reported = reported.saturating_add(1);
            }
        }
        can_hold
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
                self.findings.add(Lint::NeverHolds, &path.index(index), &message, &help);
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
        ("semver", _) => kind.can_be(Type::Version),
        (_, Operand::Time(_)) => kind.can_be(Type::Timestamp),
        _ => true,
    }
}

/// An operator that never holds together with the other operators of its test, and why.
fn contradiction(operators: &[Operator]) -> Option<(&Operator, String)> {
    let operands = |operator: &Operator| -> Vec<String> {
        let text = |operand: &Operand<'_>| match operand {
            Operand::String(text) | Operand::Number(text) => (*text).to_owned(),
            Operand::Bool(value) => value.to_string(),
            Operand::Time(time) => time.to_string(),
            _ => String::new(),
        };
        operator.operands().iter().map(text).collect()
    };
    let named = |names: &[&str]| -> Vec<&Operator> {
        operators.iter().filter(|operator| names.contains(&operator.name())).collect()
    };
    for exists in named(&["exists"]) {
        if operators.len() > 1 && *exists.operands() == [Operand::Bool(false)] {
            return Some((
                exists,
                "can never hold: a missing value passes no other operator".into(),
            ));
        }
    }
    for set in named(&["equals", "in"]) {
        // A number has many spellings, which only operators for numbers take for one.
        let is_number = |operand: &Operand<'_>| matches!(operand, Operand::Number(_));
        if set.operands().iter().any(is_number)
            && operators
                .iter()
                .any(|other| !["equals", "in", "lt", "lte", "gt", "gte"].contains(&other.name()))
        {
            continue;
        }
        let values = operands(set);
        if !values.iter().any(|value| operators.iter().all(|operator| operator.accepts(value))) {
            let rejects =
                |operator: &&Operator| values.iter().any(|value| !operator.accepts(value));
            let others: Vec<String> =
                operators.iter().filter(rejects).map(ToString::to_string).collect();
            let message = format!("can never hold together with {}", others.join(" and "));
            return Some((set, message));
        }
    }
    let pairs = [(["gt", "gte"], ["lt", "lte"]), (["after", "after"], ["before", "before"])];
    for (lower, upper) in pairs.iter().flat_map(|(lower, upper)| {
        let uppers = named(upper);
        named(lower)
            .into_iter()
            .flat_map(move |one| uppers.clone().into_iter().map(move |other| (one, other)))
    }) {
        let meets = |one: &Operator, other: &Operator| {
            operands(other).iter().all(|bound| one.accepts(bound))
        };
        if !(meets(lower, upper) && meets(upper, lower)) {
            return Some((lower, format!("can never hold together with {upper}")));
        }
    }
    None
}
