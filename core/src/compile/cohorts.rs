//! The compiler of cohorts: refuses cycles, and bounds the cost of evaluating a cohort.

use alloc::vec::Vec;

use super::condition::resolve;
use super::cost::{Cohorts, Cost, Uses};
use super::names::Names;
use super::topological_order;
use crate::error::{ErrorKind, Errors, Path};
use crate::plan::{Cohort, CohortId};
use crate::spec::{Condition, Spec};

pub(crate) fn cohorts(spec: &Spec, names: &Names, errors: &mut Errors) -> Cohorts {
    let mut cohorts = Cohorts::default();
    for _ in &spec.cohorts {
        cohorts.costs.push(Cost::default());
        cohorts.uses.push(Uses::default());
    }
    let section = Path::Root.key("cohorts");
    let mut compiled: Vec<Option<Cohort>> = spec.cohorts.iter().map(|_| None).collect();
    for at in ordered(spec, names, errors) {
        let Some((name, condition)) = spec.cohorts.iter().nth(at) else { continue };
        let id = CohortId::new(at);
        let path = section.key(name);
        let resolved = resolve(condition, names, &cohorts, &path, errors);
        if let Some(cost) = cohorts.costs.get_mut(id.index()) {
            *cost = resolved.cost;
        }
        if let Some(uses) = cohorts.uses.get_mut(id.index()) {
            *uses = resolved.uses;
        }
        if let Some(slot) = compiled.get_mut(id.index()) {
            *slot = Some(Cohort { name: name.as_str().into(), condition: resolved.condition });
        }
    }
    cohorts.plan = compiled.into_iter().flatten().collect();
    cohorts
}

/// The cohorts' indices, each after the cohorts that it names. Reports cycles.
fn ordered(spec: &Spec, names: &Names, errors: &mut Errors) -> Vec<usize> {
    let conditions: Vec<&Condition> = spec.cohorts.values().collect();
    let named = |at: usize| named_cohorts(conditions.get(at).copied(), names);
    let (order, cycles) = topological_order::sort(conditions.len(), named);
    let section = Path::Root.key("cohorts");
    let name = |at: usize| spec.cohorts.iter().nth(at).map(|(name, _)| name.as_str());
    for cycle in &cycles {
        let first = cycle.first().and_then(|at| name(*at)).unwrap_or("");
        let chain = topological_order::cycle_text(cycle, name);
        let message = format_args!("the cohort refers to itself: {chain}");
        errors.add(&section.key(first), ErrorKind::Conflict, &message);
    }
    order
}

/// The cohorts that a condition names.
fn named_cohorts(condition: Option<&Condition>, names: &Names) -> Vec<usize> {
    let mut found = Vec::new();
    let mut pending: Vec<&Condition> = condition.into_iter().collect();
    while let Some(condition) = pending.pop() {
        match condition {
            Condition::All(parts) | Condition::Any(parts) => pending.extend(parts),
            Condition::Not(part) => pending.push(part),
            Condition::Cohort(name) => found.extend(names.cohort(name).map(CohortId::index)),
            Condition::Test { .. } => {}
        }
    }
    found
}
