//! A probe: the request of a unit at a probe point, and the host that evaluates it.

use super::access_log::Request;
use super::attribute_profile::AttributeProfile;
use super::probe_points::ProbePoint;
use serin_core::gate::ActiveLatches;
use serin_core::plan::Input;
use serin_core::{
    Decision, EarlierIds, Facts, IdKeys, NameMap, OverrideKeys, Plan, RequestHost, RolloutDecision,
    Spec, Timestamp, decide,
};
use std::borrow::Cow;

/// A host: a plan, and the latches in force on it.
#[derive(Clone, Copy)]
pub(super) struct Host<'c> {
    pub(super) plan: &'c Plan,
    pub(super) active_latches: Option<&'c ActiveLatches>,
}

/// The host of a recorded request.
pub(super) struct RecordedHost<'c> {
    pub(super) host: Host<'c>,
    pub(super) request: &'c Request,
    /// The position of the request in the log.
    pub(super) number: usize,
    pub(super) at: Timestamp,
}

impl<'c> RequestHost<'c> for RecordedHost<'c> {
    fn now(&self) -> Option<u64> {
        Some(self.at.unix_ms())
    }

    fn input(&self, input: &Input) -> Option<Cow<'c, str>> {
        self.request.fact(input).map(Cow::Borrowed)
    }

    /// Entropy made from the position of the request, so that both plans get the same id.
    fn entropy(&mut self) -> Option<[u8; 16]> {
        let number = u64::try_from(self.number).unwrap_or(u64::MAX).to_be_bytes();
        let mut entropy = [0; 16];
        entropy.iter_mut().zip(number.into_iter().cycle()).for_each(|(to, from)| *to = from);
        Some(entropy)
    }

    fn latches(&self) -> Option<&'c ActiveLatches> {
        self.host.active_latches
    }

    fn override_keys(&self) -> Option<&'c OverrideKeys> {
        None
    }

    fn id_keys(&self) -> Option<&'c IdKeys> {
        None
    }

    fn earlier_ids(&self) -> Option<EarlierIds> {
        None
    }
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
        let (now, latches) = (Some(self.at.unix_ms()), host.active_latches);
        if point.flags.is_some() {
            let context = method.into_iter().chain(of_point).chain(ids).chain(attributes);
            Facts::from_context(host.plan, context, now, latches)
        } else {
            let context = method.into_iter().chain(ids).chain(attributes).chain(of_point);
            Facts::from_context(host.plan, context, now, latches)
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
    let mut spec = spec.clone();
    spec.flags = NameMap::new();
    spec.rollouts = rollouts;
    spec
}

/// The rollout and the arm that a request goes to.
pub(super) fn decide_rollout(host: Host<'_>, facts: &Facts<'_>) -> Option<RolloutDecision> {
    let mut decision = Decision::default();
    decide(host.plan, facts, &mut decision);
    decision.rollout().copied()
}
