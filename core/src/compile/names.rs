//! Names → positions.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::attribute::Attribute;
use crate::plan::{CohortId, Input, InputId, Slot, UnitId};
use crate::spec::{Condition, Mode, Spec, UnitSource};

/// Every name a condition may use.
pub(crate) struct Names {
    units: BTreeMap<alloc::string::String, UnitId>,
    cohorts: BTreeMap<alloc::string::String, CohortId>,
    inputs: BTreeMap<Input, InputId>,
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
                found.extend(attribute_input(attribute));
            }
        });
        Names {
            units: spec
                .units
                .keys()
                .cloned()
                .zip((0..).map(UnitId::new))
                .collect(),
            cohorts: spec
                .cohorts
                .keys()
                .cloned()
                .zip((0..).map(CohortId::new))
                .collect(),
            first_from_host: InputId(in_headers(&found)),
            inputs: found.into_iter().zip((0..).map(InputId)).collect(),
        }
    }

    pub(crate) fn unit(&self, name: &str) -> Option<UnitId> {
        self.units.get(name).copied()
    }

    /// The unit to use where the spec names none: the only one there is.
    pub(crate) fn only_unit(&self) -> Option<UnitId> {
        let mut units = self.units.values();
        units.next().copied().filter(|_| units.next().is_none())
    }

    pub(crate) fn unit_names(&self) -> Vec<&str> {
        self.units.keys().map(|name| name.as_str()).collect()
    }

    pub(crate) fn cohort(&self, name: &str) -> Option<CohortId> {
        self.cohorts.get(name).copied()
    }

    pub(crate) fn cohort_names(&self) -> Vec<&str> {
        self.cohorts.keys().map(|name| name.as_str()).collect()
    }

    /// Where an attribute's value is among the facts; `None` for a unit that does not exist.
    pub(crate) fn slot(&self, attribute: &Attribute) -> Option<Slot> {
        match attribute {
            Attribute::Unit(name) => self.unit(name).map(Slot::Unit),
            Attribute::Path => Some(Slot::Path),
            Attribute::Host => Some(Slot::Host),
            Attribute::Method => Some(Slot::Method),
            Attribute::Time => Some(Slot::Time),
            other => {
                let input = attribute_input(other)?;
                self.inputs.get(&input).copied().map(Slot::Input)
            }
        }
    }

    pub(crate) fn source_input(&self, source: &UnitSource) -> Option<InputId> {
        self.inputs.get(&source_input(source)).copied()
    }

    /// Whether the host fetches this input by its own means. Those sort after the others.
    pub(crate) fn is_from_host(&self, id: InputId) -> bool {
        id >= self.first_from_host
    }

    /// All inputs, sorted.
    pub(crate) fn into_inputs(self) -> Vec<Input> {
        self.inputs.into_keys().collect()
    }
}

/// How many inputs the header block holds; in the sorted set they come first.
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

fn attribute_input(attribute: &Attribute) -> Option<Input> {
    Some(match attribute {
        Attribute::Header(name) => Input::Header(name.as_str().into()),
        Attribute::Cookie(name) => Input::Cookie(name.as_str().into()),
        Attribute::Query(name) => Input::Query(name.as_str().into()),
        Attribute::Jwt(name) => Input::Jwt(name.as_str().into()),
        Attribute::Ip => Input::Ip,
        Attribute::Country => Input::Country,
        Attribute::Region => Input::Region,
        Attribute::City => Input::City,
        Attribute::Asn => Input::Asn,
        Attribute::Colo => Input::Colo,
        Attribute::Unit(_)
        | Attribute::Path
        | Attribute::Host
        | Attribute::Method
        | Attribute::Time => return None,
    })
}

/// Visits every condition of a spec, those inside others too.
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
    while let Some(condition) = pending.pop() {
        visit(condition);
        match condition {
            Condition::All(parts) | Condition::Any(parts) => pending.extend(parts),
            Condition::Not(part) => pending.push(part),
            Condition::Cohort(_) | Condition::Test { .. } => {}
        }
    }
}
