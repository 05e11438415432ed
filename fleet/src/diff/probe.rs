//! A probe: the request of a unit at a probe point, and the host that evaluates it.

use super::attribute_profile::AttributeProfile;
use super::probe_points::ProbePoint;
use serin_core::gate::ActiveLatches;
use serin_core::{Decision, Facts, NameMap, Plan, RolloutDecision, Spec, Timestamp, decide};
use std::borrow::Cow;

/// A host: a plan, and the latches in force on it.
#[derive(Clone, Copy)]
pub(super) struct Host<'c> {
    pub(super) plan: &'c Plan,
    pub(super) active_latches: Option<&'c ActiveLatches>,
}

/// A unit whose requests are evaluated.
pub(super) struct Probe<'u> {
    pub(super) id: &'u str,
    pub(super) sources: &'u [String],
    pub(super) profile: &'u AttributeProfile,
    pub(super) at: Timestamp,
}

impl<'u> Probe<'u> {
    /// The facts of the unit's request at a probe point. The method is `GET` unless `method` names another.
    pub(super) fn facts<'f>(
        &self,
        host: Host<'f>,
        point: &'f ProbePoint,
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
        let of_point = point.attributes();
        // The last value of an attribute wins: a profile may move a flag's request to another host or path,
        // but not a rollout's.
        let mut facts = if point.flags.is_some() {
            Facts::from_context(
                host.plan,
                method.into_iter().chain(of_point).chain(ids).chain(attributes),
            )
        } else {
            Facts::from_context(
                host.plan,
                method.into_iter().chain(ids).chain(attributes).chain(of_point),
            )
        };
        host.tell(&mut facts, self.at);
        facts
    }
}

impl<'c> Host<'c> {
    /// Sets the time and the latches, which do not come from the request.
    pub(super) fn tell(self, facts: &mut Facts<'c>, at: Timestamp) {
        facts.set_now(at.unix_ms());
        if let Some(active_latches) = self.active_latches {
            facts.set_latches(active_latches);
        }
    }
}

/// The spec without its flags.
pub(super) fn without_flags(spec: &Spec) -> Spec {
    let mut rollouts = NameMap::new();
    for (name, rollout) in &spec.rollouts {
        let mut rollout = rollout.clone();
        rollout.abort_policy.disables.clear();
        rollouts.insert(name.clone(), rollout);
    }
    Spec { flags: NameMap::new(), rollouts, ..spec.clone() }
}

/// The rollout and the arm that a request goes to.
pub(super) fn decide_rollout(host: Host<'_>, facts: &Facts<'_>) -> Option<RolloutDecision> {
    let mut decision = Decision::default();
    decide(host.plan, facts, &mut decision);
    decision.rollout().copied()
}
