//! The needs of one request's decision: the facts that are not in its header block.

use alloc::vec::Vec;

use super::Facts;
use crate::plan::{FlagId, HostInput, IdSet, InputId, Needs, Plan, UnitId};

impl Plan {
    /// The inputs that this request's decision needs from the host. A host fetches no others.
    pub(crate) fn host_inputs<'p>(&'p self, facts: &Facts<'_>) -> Vec<HostInput<'p>> {
        if !self.inputs.any_from_host {
            return Vec::new();
        }
        let mut ids = IdSet::default();
        self.each_need(facts, |needs| ids.extend(&needs.host_inputs));
        ids.iter().filter_map(|id| self.inputs.host_input(InputId(id))).collect()
    }

    /// The units without a value that may get an anonymous id, whether or not this request's decision needs them.
    pub(crate) fn units_without_id(&self, facts: &Facts<'_>) -> Vec<UnitId> {
        let ids = (0..self.units.len()).map(UnitId::new);
        let is_anonymous =
            |id: &UnitId| self.unit(*id).is_some_and(|unit| unit.anonymous_cookie().is_some());
        ids.filter(is_anonymous).filter(|id| facts.unit(self, *id).is_none()).collect()
    }

    /// The units with anonymous ids that this request's decision may need.
    pub(crate) fn anonymous_needs(&self, facts: &Facts<'_>) -> IdSet {
        let mut ids = IdSet::default();
        self.each_need(facts, |needs| ids.extend(&needs.anonymous));
        ids
    }

    /// Calls `visit` with the needs of the request's rollout and of every flag that its path delivers.
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
