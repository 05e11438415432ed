//! Compiles cohorts: refuses cycles and bounds what evaluating one may cost.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::ROOT;
use super::names::Names;
use super::scope::{Cost, Uses, resolve};
use crate::error::{ErrorKind, Errors};
use crate::plan::{Cohort, CohortId};
use crate::spec::{Condition, Spec};

/// The compiled cohorts, with what each one costs and uses.
#[derive(Default)]
pub(crate) struct Cohorts {
    plan: Vec<Cohort>,
    costs: Vec<Cost>,
    uses: Vec<Uses>,
}

impl Cohorts {
    pub(crate) fn cost(&self, id: CohortId) -> Cost {
        self.costs.get(id.index()).copied().unwrap_or_default()
    }

    pub(crate) fn uses(&self, id: CohortId) -> Option<&Uses> {
        self.uses.get(id.index())
    }

    pub(crate) fn into_plan(self) -> Box<[Cohort]> {
        self.plan.into()
    }
}

pub(crate) fn cohorts(spec: &Spec, names: &Names, errors: &mut Errors) -> Cohorts {
    let mut cohorts = Cohorts::default();
    for _ in &spec.cohorts {
        cohorts.costs.push(Cost::default());
        cohorts.uses.push(Uses::default());
    }
    let section = ROOT.key("cohorts");
    let mut compiled: Vec<Option<Cohort>> = spec.cohorts.iter().map(|_| None).collect();
    for name in order(spec, errors) {
        let (Some(condition), Some(id)) = (spec.cohorts.get(name), names.cohort(name)) else {
            continue;
        };
        let path = section.key(name);
        let resolved = resolve(condition, names, &cohorts, &path, errors);
        if let Some(cost) = cohorts.costs.get_mut(id.index()) {
            *cost = resolved.cost;
        }
        if let Some(uses) = cohorts.uses.get_mut(id.index()) {
            *uses = resolved.uses;
        }
        if let Some(slot) = compiled.get_mut(id.index()) {
            *slot = Some(Cohort { name: name.into(), condition: resolved.condition });
        }
    }
    cohorts.plan = compiled.into_iter().flatten().collect();
    cohorts
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    New,
    Open,
    Done,
}

fn marked(name: &str, spec: &Spec, marks: &[Mark]) -> Option<Mark> {
    marks.get(spec.cohorts.position(name)?).copied()
}

fn mark(name: &str, mark: Mark, spec: &Spec, marks: &mut [Mark]) {
    if let Some(slot) = spec.cohorts.position(name).and_then(|index| marks.get_mut(index)) {
        *slot = mark;
    }
}

/// The cohorts' names, each after those it names. Reports cycles. Depth-first without recursion:
/// a chain may be as long as the spec.
fn order<'s>(spec: &'s Spec, errors: &mut Errors) -> Vec<&'s str> {
    let mut order = Vec::new();
    let mut marks: Vec<Mark> = spec.cohorts.iter().map(|_| Mark::New).collect();
    for start in spec.cohorts.names() {
        let mut stack: Vec<(&str, Vec<&str>)> = Vec::new();
        enter(start, spec, &mut marks, &mut stack);
        while let Some((name, waiting)) = stack.last_mut() {
            let Some(next) = waiting.pop() else {
                mark(name, Mark::Done, spec, &mut marks);
                order.push(*name);
                stack.pop();
                continue;
            };
            if marked(next, spec, &marks) == Some(Mark::Open) {
                report_cycle(next, &stack, errors);
            } else {
                enter(next, spec, &mut marks, &mut stack);
            }
        }
    }
    order
}

fn enter<'s>(
    name: &'s str,
    spec: &'s Spec,
    marks: &mut [Mark],
    stack: &mut Vec<(&'s str, Vec<&'s str>)>,
) {
    let Some(condition) = spec.cohorts.get(name) else { return };
    if marked(name, spec, marks) != Some(Mark::New) {
        return;
    }
    mark(name, Mark::Open, spec, marks);
    let mut named = Vec::new();
    let mut pending = alloc::vec![condition];
    while let Some(condition) = pending.pop() {
        match condition {
            Condition::All(parts) | Condition::Any(parts) => pending.extend(parts),
            Condition::Not(part) => pending.push(part),
            Condition::Cohort(name) => named.push(name.as_str()),
            Condition::Test { .. } => {}
        }
    }
    stack.push((name, named));
}

fn report_cycle(name: &str, stack: &[(&str, Vec<&str>)], errors: &mut Errors) {
    let from = stack.iter().position(|(open, _)| *open == name).unwrap_or(0);
    let mut cycle = String::new();
    for (open, _) in stack.iter().skip(from) {
        cycle.push_str(open);
        cycle.push_str(" → ");
    }
    let message = format!("the cohort is defined by itself: {cycle}{name}");
    let section = ROOT.key("cohorts");
    errors.add(&section.key(name), ErrorKind::Conflict, &message);
}
