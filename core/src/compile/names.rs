//! The names that conditions and units refer to, each with its id in the plan.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use crate::attribute::Attribute;
use crate::pin;
use crate::plan::{CohortId, Input, InputId, Slot, UnitId};
use crate::spec::{Condition, Mode, Spec, UnitSource};

/// The units, cohorts and inputs of a spec.
pub(crate) struct Names {
    // Each list is sorted: an id is an index.
    units: Vec<String>,
    cohorts: Vec<String>,
    inputs: Vec<Input>,
    /// The first input that the host must fetch; those in the header block sort before it.
    first_from_host: InputId,
}

impl Names {
    pub(crate) fn new(spec: &Spec) -> Names {
        let mut found = BTreeSet::new();
        for source in spec.units.values().flatten() {
            found.insert(source_input(source));
        }
        each_condition(spec, &mut |condition| {
            if let Condition::Test { attribute, .. } = condition {
                found.extend(Input::of(attribute));
            }
        });
        for (name, rollout) in &spec.rollouts {
            if let Mode::BlueGreen { pin_ms: 1.., .. } = rollout.mode {
                found.insert(Input::Cookie(pin::cookie(name).into()));
            }
        }
        Names {
            units: spec.units.names().map(String::from).collect(),
            cohorts: spec.cohorts.names().map(String::from).collect(),
            first_from_host: InputId(in_headers(&found)),
            inputs: found.into_iter().collect(),
        }
    }

    pub(crate) fn unit(&self, name: &str) -> Option<UnitId> {
        position(&self.units, name).map(UnitId::new)
    }

    /// The unit to use where the spec names none: the only unit of the spec.
    pub(crate) fn only_unit(&self) -> Option<UnitId> {
        (self.units.len() == 1).then_some(UnitId(0))
    }

    pub(crate) fn unit_names(&self) -> Vec<&str> {
        self.units.iter().map(String::as_str).collect()
    }

    pub(crate) fn cohort(&self, name: &str) -> Option<CohortId> {
        position(&self.cohorts, name).map(CohortId::new)
    }

    pub(crate) fn cohort_names(&self) -> Vec<&str> {
        self.cohorts.iter().map(String::as_str).collect()
    }

    /// The slot of an attribute's value among the facts; `None` for an unknown unit.
    pub(crate) fn slot(&self, attribute: &Attribute) -> Option<Slot> {
        match attribute {
            Attribute::Unit(name) => self.unit(name).map(Slot::Unit),
            Attribute::Path => Some(Slot::Path),
            Attribute::Host => Some(Slot::Host),
            Attribute::Method => Some(Slot::Method),
            Attribute::Time => Some(Slot::Time),
            other => {
                let input = Input::of(other)?;
                self.input(&input).map(Slot::Input)
            }
        }
    }

    pub(crate) fn source_input(&self, source: &UnitSource) -> Option<InputId> {
        self.input(&source_input(source))
    }

    pub(crate) fn input(&self, input: &Input) -> Option<InputId> {
        let index = self.inputs.binary_search(input).ok()?;
        u32::try_from(index).ok().map(InputId)
    }

    /// Whether the host must fetch this input, because it is not in the header block.
    pub(crate) fn is_from_host(&self, id: InputId) -> bool {
        id >= self.first_from_host
    }

    /// The inputs, sorted.
    pub(crate) fn into_inputs(self) -> Vec<Input> {
        self.inputs
    }
}

/// The index of a name in a sorted list.
fn position(names: &[String], name: &str) -> Option<usize> {
    names.binary_search_by(|known| known.as_str().cmp(name)).ok()
}

/// The number of inputs that are in the header block.
fn in_headers(inputs: &BTreeSet<Input>) -> u32 {
    let count = inputs.iter().filter(|input| input.is_in_headers()).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn source_input(source: &UnitSource) -> Input {
    match source {
        UnitSource::Jwt(name) => Input::Jwt(name.as_str().into()),
        UnitSource::Header(name) => Input::Header(name.as_str().into()),
        UnitSource::Cookie(name) | UnitSource::Anonymous(name) => {
            Input::Cookie(name.as_str().into())
        }
        UnitSource::Query(name) => Input::Query(name.as_str().into()),
    }
}

/// Visits every condition of a spec, including nested ones.
pub(crate) fn each_condition<'s>(spec: &'s Spec, visit: &mut impl FnMut(&'s Condition)) {
    let mut pending: Vec<&Condition> = spec.cohorts.values().collect();
    for flag in spec.flags.values() {
        pending.extend(flag.rules.iter().filter_map(|rule| rule.when.as_ref()));
    }
    for rollout in spec.rollouts.values() {
        if let Mode::Canary { rings, .. } = &rollout.mode {
            pending.extend(rings);
        }
    }
    for shadow in spec.rollouts.values().filter_map(|rollout| rollout.shadow.as_ref()) {
        pending.extend(shadow.when.as_ref());
    }
    while let Some(condition) = pending.pop() {
        visit(condition);
        match condition {
            Condition::All(parts) | Condition::Any(parts) => pending.extend(parts),
            Condition::Not(part) => pending.push(part),
            Condition::Cohort(_) | Condition::Test { .. } => {}
        }
    }
}
