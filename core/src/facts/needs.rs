//! What one request's decision needs beyond its header block.

use alloc::vec::Vec;

use super::Facts;
use crate::plan::{FlagId, HostInput, IdSet, InputId, Needs, Plan, UnitId};

impl Plan {
    /// What this request's decision needs beyond its header block. A host fetches these and no
    /// others.
    pub(crate) fn host_inputs<'p>(&'p self, facts: &Facts<'_>) -> Vec<HostInput<'p>> {
        if !self.inputs.any_from_host {
            return Vec::new();
        }
        let mut ids = IdSet::default();
        self.each_need(facts, |needs| ids.extend(&needs.host_inputs));
        ids.iter().filter_map(|id| self.inputs.host_input(InputId(id))).collect()
    }

    /// The units that this request's decision may need, that have no value yet and that may be given
    /// an anonymous id.
    pub(crate) fn anonymous_units(&self, facts: &Facts<'_>) -> Vec<UnitId> {
        if self.units.iter().all(|unit| unit.anonymous_cookie().is_none()) {
            return Vec::new();
        }
        let mut ids = IdSet::default();
        self.each_need(facts, |needs| ids.extend(&needs.anonymous));
        let missing = |unit: &UnitId| facts.unit(self, *unit).is_none();
        ids.iter().map(UnitId).filter(missing).collect()
    }

    /// Visits the needs of the request's rollout and of every flag its path delivers.
    fn each_need(&self, facts: &Facts<'_>, mut visit: impl FnMut(&Needs)) {
        let rollout = self.routes.find(facts.host(), facts.path());
        if let Some(rollout) = rollout.and_then(|id| self.rollout(id)) {
            visit(&rollout.needs);
        }
        self.deliveries.walk(facts.path(), |flags| {
            for flag in flags.iter().filter_map(|id| self.flag(FlagId(*id))) {
                visit(&flag.needs);
            }
        });
    }
}
