//! Who is asked, and about whom: a host with its plan, and a unit at a place.

use super::places::Place;
use super::profile::Profile;
use serin_core::gate::ActiveLatches;
use serin_core::{Decision, Facts, NameMap, Plan, RolloutDecision, Spec, Timestamp, decide};
use std::borrow::Cow;

/// Who is asked: a host with a plan, and with what it holds of latches.
#[derive(Clone, Copy)]
pub(super) struct Host<'c> {
    pub(super) plan: &'c Plan,
    pub(super) active_latches: Option<&'c ActiveLatches>,
}

/// A unit that is asked about.
pub(super) struct Asked<'u> {
    pub(super) id: &'u str,
    pub(super) sources: &'u [String],
    pub(super) profile: &'u Profile,
    pub(super) at: Timestamp,
}

impl<'u> Asked<'u> {
    /// What a host knows of it at a place; `method` in place of `GET`.
    pub(super) fn facts<'f>(
        &self,
        host: Host<'f>,
        place: &'f Place,
        method: Option<&'f str>,
    ) -> Facts<'f>
    where
        'u: 'f,
    {
        let method = [("method", Cow::Borrowed(method.unwrap_or("GET")))];
        let ids = self.sources.iter().map(|source| (source.as_str(), Cow::Borrowed(self.id)));
        let attributes = self.profile.attributes.iter();
        let attributes =
            attributes.map(|(name, value)| (name.as_str(), Cow::Borrowed(value.as_str())));
        let of_place = place.attributes();
        // What comes later counts: flags may be asked about elsewhere, rollouts are where they are.
        let mut facts = if place.flags.is_some() {
            Facts::from_context(
                host.plan,
                method.into_iter().chain(of_place).chain(ids).chain(attributes),
            )
        } else {
            Facts::from_context(
                host.plan,
                method.into_iter().chain(ids).chain(attributes).chain(of_place),
            )
        };
        host.tell(&mut facts, self.at);
        facts
    }
}

impl<'c> Host<'c> {
    /// The clock, and what the host holds.
    pub(super) fn tell(self, facts: &mut Facts<'c>, at: Timestamp) {
        facts.set_now(at.unix_ms());
        if let Some(active_latches) = self.active_latches {
            facts.set_latches(active_latches);
        }
    }
}

/// A spec with its rollouts alone.
pub(super) fn bare(spec: &Spec) -> Spec {
    let mut rollouts = NameMap::new();
    for (name, rollout) in &spec.rollouts {
        let mut rollout = rollout.clone();
        rollout.abort_policy.disables.clear();
        rollouts.insert(name.clone(), rollout);
    }
    Spec { flags: NameMap::new(), rollouts, ..spec.clone() }
}

/// The arm that a request goes to.
pub(super) fn arm(host: Host<'_>, facts: &Facts<'_>) -> Option<RolloutDecision> {
    let mut decision = Decision::default();
    decide(host.plan, facts, &mut decision);
    decision.rollout().copied()
}
