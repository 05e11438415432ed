//! The compiler of conditions: resolves their names and bounds their cost.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::cost::{Cohorts, Cost, Uses};
use super::lookup::{unit, unknown};
use super::names::Names;
use crate::attribute::Attribute;
use crate::condition::Operator;
use crate::error::{ErrorKind, Errors, Path};
use crate::plan::{Condition, Slot, Test};
use crate::spec;

/// The maximum nesting depth of a condition, counting the cohorts that it names.
const MAX_DEPTH: u32 = 64;
/// The maximum number of tests in a condition, counting the cohorts that it names. Cohorts can name
/// each other, so that a few lines could expand to a huge number of tests.
const MAX_TESTS: u32 = 10_000;

/// A compiled condition, with its cost and the facts that it uses.
pub(crate) struct Resolved {
    pub(crate) condition: Condition,
    pub(crate) cost: Cost,
    pub(crate) uses: Uses,
}

/// Resolves one condition and checks its cost.
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
                "is nested {} levels deep including its cohorts, at most {MAX_DEPTH} are allowed",
                cost.depth
            ),
        );
    } else if cost.tests > MAX_TESTS {
        errors.add(
            path,
            ErrorKind::Limit,
            &format_args!(
                "expands to {} tests including its cohorts, at most {MAX_TESTS} are allowed",
                cost.tests
            ),
        );
    }
    Resolved { condition, cost, uses }
}

/// The condition in place of one that cannot be resolved, which is reported. It never holds.
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
    /// Resolves a condition. `level` bounds the recursion for a spec that was not read from JSON.
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
        operators: &[Operator],
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
