//! Resolves conditions, and knows what each of them costs and uses.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use super::cohorts::Cohorts;
use super::names::{Names, each_condition};
use crate::attribute::Attribute;
use crate::error::{ErrorKind, Errors, Path, one_of, quoted};
use crate::hash::Purpose;
use crate::parse::reader::nearest;
use crate::plan::{Bucketing, Condition, IdSet, InputId, Needs, Slot, Test, UnitId};
use crate::spec;

/// How deep conditions may nest, with the cohorts they name.
const MAX_DEPTH: u32 = 64;
/// How many tests one condition may cost, with the cohorts it names: they may name each other, so
/// that few lines could mean very many tests.
const MAX_TESTS: u32 = 10_000;

/// What evaluating a condition can take at most.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cost {
    depth: u32,
    tests: u32,
}

/// What evaluating a condition may look at.
#[derive(Clone, Default)]
pub(crate) struct Uses {
    /// Of input ids.
    inputs: IdSet,
    /// Of unit ids.
    units: IdSet,
}

impl Uses {
    pub(crate) fn add(&mut self, other: &Uses) {
        self.inputs.extend(&other.inputs);
        self.units.extend(&other.units);
    }

    pub(crate) fn add_unit(&mut self, unit: UnitId) {
        self.units.insert(unit.0);
    }
}

/// A compiled condition.
pub(crate) struct Resolved {
    pub(crate) condition: Condition,
    pub(crate) cost: Cost,
    pub(crate) uses: Uses,
}

/// What compiling rules and rollouts can refer to.
pub(crate) struct Scope<'c> {
    pub(crate) names: &'c Names,
    pub(crate) cohorts: &'c Cohorts,
    /// By position.
    pub(crate) layers: &'c [Option<Bucketing>],
}

impl Scope<'_> {
    pub(crate) fn condition(
        &self,
        condition: &spec::Condition,
        uses: &mut Uses,
        path: &Path<'_>,
        errors: &mut Errors,
    ) -> Condition {
        let resolved = resolve(condition, self.names, self.cohorts, path, errors);
        uses.add(&resolved.uses);
        resolved.condition
    }

    /// Who is bucketed, with which salt. `None` is reported.
    pub(crate) fn bucketing(
        &self,
        given: &spec::Bucketing,
        purpose: Purpose,
        default_salt: &str,
        uses: &mut Uses,
        path: &Path<'_>,
        errors: &mut Errors,
    ) -> Option<Bucketing> {
        let unit = match &given.unit {
            Some(name) => unit(name, self.names, &path.key("unit"), errors),
            None => self.default_unit(path, errors),
        }?;
        uses.add_unit(unit);
        let salt = given.salt.as_deref().unwrap_or(default_salt).into();
        Some(Bucketing { unit, purpose, salt })
    }

    fn default_unit(&self, path: &Path<'_>, errors: &mut Errors) -> Option<UnitId> {
        let only = self.names.only_unit();
        if only.is_none() {
            let message = match self.names.unit_names().as_slice() {
                [] => "needs a unit, and the spec defines none under units".into(),
                names => format!("needs a unit: {}", one_of(names.iter().copied())),
            };
            errors.add(path, ErrorKind::Missing, &message);
        }
        only
    }

    /// What a host must fetch for what is used. Units bring their sources with them.
    pub(crate) fn needs(&self, spec: &spec::Spec, uses: &Uses) -> Needs {
        let mut needs = Needs::default();
        let mut add_input = |id: InputId| {
            if self.names.is_from_host(id) {
                needs.host_inputs.insert(id.0);
            }
        };
        uses.inputs.iter().map(InputId).for_each(&mut add_input);
        for (sources, id) in spec.units.values().zip((0..).map(UnitId::new)) {
            if !uses.units.contains(id.0) {
                continue;
            }
            let ids = sources.iter().filter_map(|source| self.names.source_input(source));
            ids.for_each(&mut add_input);
            if matches!(sources.last(), Some(spec::UnitSource::Anonymous(_))) {
                needs.anonymous.insert(id.0);
            }
        }
        needs
    }

    /// Whether any condition looks at the clock.
    pub(crate) fn looks_at_time(&self, spec: &spec::Spec) -> bool {
        let mut found = false;
        each_condition(spec, &mut |condition| {
            let of_time =
                matches!(condition, spec::Condition::Test { attribute: Attribute::Time, .. });
            found |= of_time;
        });
        found
    }
}

/// Finds a unit by name; reports an unknown one.
fn unit(name: &str, names: &Names, path: &Path<'_>, errors: &mut Errors) -> Option<UnitId> {
    let found = names.unit(name);
    if found.is_none() {
        unknown("unit", name, &names.unit_names(), path, errors);
    }
    found
}

/// Reports a name that nothing defines.
pub(crate) fn unknown(
    what: &str,
    name: &str,
    known: &[&str],
    path: &Path<'_>,
    errors: &mut Errors,
) {
    const SHOWN: usize = 12;
    let name_shown = quoted(name);
    let message = match (nearest(name, known), known.len()) {
        (_, 0) => format!("there is no {what} {name_shown}, and none is defined"),
        (Some(near), _) => format!("there is no {what} {name_shown}, did you mean {near}?"),
        (None, count) if count <= SHOWN => {
            format!("there is no {what} {name_shown}, use {}", one_of(known.iter().copied()))
        }
        (None, count) => format!("there is no {what} {name_shown} among the {count} defined"),
    };
    errors.add(path, ErrorKind::Reference, &message);
}

/// Resolves one condition and checks what it may cost.
pub(crate) fn resolve(
    condition: &spec::Condition,
    names: &Names,
    cohorts: &Cohorts,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Resolved {
    let mut resolver = Resolver { names, cohorts, uses: Uses::default(), errors };
    let (condition, cost) = resolver.condition(condition, path, 0);
    let uses = resolver.uses;
    if cost.depth > MAX_DEPTH {
        errors.add(
            path,
            ErrorKind::Limit,
            &format_args!(
                "nests {} deep with its cohorts, at most {MAX_DEPTH} are allowed",
                cost.depth
            ),
        );
    } else if cost.tests > MAX_TESTS {
        errors.add(
            path,
            ErrorKind::Limit,
            &format_args!(
                "means {} tests with its cohorts, at most {MAX_TESTS} are allowed",
                cost.tests
            ),
        );
    }
    Resolved { condition, cost, uses }
}

/// What stands in for a condition that can't be resolved. It is reported, and it fails closed.
fn never() -> Condition {
    Condition::Any(Box::default())
}

struct Resolver<'r> {
    names: &'r Names,
    cohorts: &'r Cohorts,
    uses: Uses,
    errors: &'r mut Errors,
}

impl Resolver<'_> {
    /// `level` bounds the recursion for specs that were not read from JSON.
    fn condition(
        &mut self,
        condition: &spec::Condition,
        path: &Path<'_>,
        level: u32,
    ) -> (Condition, Cost) {
        let level = level.saturating_add(1);
        if level > MAX_DEPTH.saturating_mul(2) {
            return (never(), Cost { depth: level, tests: 0 });
        }
        let (condition, inner) = match condition {
            spec::Condition::All(parts) => {
                let (parts, cost) = self.parts(parts, &path.key("all"), level);
                (Condition::All(parts), cost)
            }
            spec::Condition::Any(parts) => {
                let (parts, cost) = self.parts(parts, &path.key("any"), level);
                (Condition::Any(parts), cost)
            }
            spec::Condition::Not(part) => {
                let (part, cost) = self.condition(part, &path.key("not"), level);
                (Condition::Not(Box::new(part)), cost)
            }
            spec::Condition::Cohort(name) => self.cohort(name, &path.key("cohort")),
            spec::Condition::Test { attribute, operators } => {
                let tests = u32::try_from(operators.len()).unwrap_or(u32::MAX);
                (self.test(attribute, operators, path), Cost { depth: 0, tests })
            }
        };
        (condition, Cost { depth: inner.depth.saturating_add(1), tests: inner.tests })
    }

    fn parts(
        &mut self,
        parts: &[spec::Condition],
        path: &Path<'_>,
        level: u32,
    ) -> (Box<[Condition]>, Cost) {
        let mut total = Cost::default();
        let mut compiled = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            let (part, cost) = self.condition(part, &path.index(index), level);
            compiled.push(part);
            total.depth = total.depth.max(cost.depth);
            total.tests = total.tests.saturating_add(cost.tests);
        }
        (compiled.into(), total)
    }

    fn cohort(&mut self, name: &str, path: &Path<'_>) -> (Condition, Cost) {
        let Some(id) = self.names.cohort(name) else {
            unknown("cohort", name, &self.names.cohort_names(), path, self.errors);
            return (never(), Cost::default());
        };
        if let Some(uses) = self.cohorts.uses(id) {
            self.uses.add(uses);
        }
        (Condition::Cohort(id), self.cohorts.cost(id))
    }

    fn test(
        &mut self,
        attribute: &Attribute,
        operators: &[crate::condition::Operator],
        path: &Path<'_>,
    ) -> Condition {
        let slot = match attribute {
            Attribute::Unit(name) => {
                unit(name, self.names, &path.key("attribute"), self.errors).map(Slot::Unit)
            }
            other => self.names.slot(other),
        };
        let Some(slot) = slot else {
            return never();
        };
        match slot {
            Slot::Input(input) => {
                self.uses.inputs.insert(input.0);
            }
            Slot::Unit(unit) => self.uses.add_unit(unit),
            Slot::Path | Slot::Host | Slot::Method | Slot::Time => {}
        }
        let operators = operators.into();
        Condition::Test(Box::new(Test { attribute: attribute.clone(), slot, operators }))
    }
}
