//! The cost of conditions and the facts that they use, for one condition and for every cohort.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::plan::{Cohort, CohortId, IdSet, UnitId};

/// The maximum cost of evaluating a condition.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cost {
    /// The nesting depth, from 1.
    pub(super) depth: u32,
    /// The number of tests.
    pub(super) tests: u32,
}

/// The facts that evaluating a condition may read.
#[derive(Clone, Default)]
pub(crate) struct Uses {
    /// Ids of inputs.
    pub(super) inputs: IdSet,
    /// Ids of units.
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

/// The compiled cohorts, each with its cost and the facts that it uses.
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
