//! What evaluating a condition costs and uses, and the same of every cohort.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::plan::{Cohort, CohortId, IdSet, UnitId};

/// What evaluating a condition can take at most.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(super) depth: u32,
    pub(super) tests: u32,
}

/// What evaluating a condition may look at.
#[derive(Clone, Default)]
pub(crate) struct Uses {
    /// Of input ids.
    pub(super) inputs: IdSet,
    /// Of unit ids.
    pub(super) units: IdSet,
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

/// The compiled cohorts, with what each one costs and uses.
#[derive(Default)]
pub(crate) struct Cohorts {
    pub(super) plan: Vec<Cohort>,
    pub(super) costs: Vec<Cost>,
    pub(super) uses: Vec<Uses>,
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
