//! Who is asked, and about whom: a host with its plan, and a unit at a place.

use super::access_log::Request;
use super::places::Place;
use super::profile::Profile;
use serin_core::gate::ActiveLatches;
use serin_core::plan::Input;
use serin_core::{
    Decision, Facts, NameMap, OverrideKeys, Plan, RequestHost, RolloutDecision, Spec, Timestamp,
    decide,
};
use std::borrow::Cow;

/// Who is asked: a host with a plan, and with what it holds of latches.
#[derive(Clone, Copy)]
pub(super) struct Host<'c> {
    pub(super) plan: &'c Plan,
    pub(super) active_latches: Option<&'c ActiveLatches>,
}

/// The host of a recorded request.
pub(super) struct Recorded<'c> {
    pub(super) host: Host<'c>,
    pub(super) request: &'c Request,
    /// The request's place in the log.
    pub(super) number: usize,
    pub(super) at: Timestamp,
}

impl<'c> RequestHost<'c> for Recorded<'c> {
    fn now(&self) -> Option<u64> {
        Some(self.at.unix_ms())
    }

    fn input(&self, input: &Input) -> Option<Cow<'c, str>> {
        self.request.fact(input).map(Cow::Borrowed)
    }

    /// Made of the request's number, so that both plans see the same id.
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
        let (now, latches) = (Some(self.at.unix_ms()), host.active_latches);
        if place.flags.is_some() {
            let context = method.into_iter().chain(of_place).chain(ids).chain(attributes);
            Facts::from_context(host.plan, context, now, latches)
        } else {
            let context = method.into_iter().chain(ids).chain(attributes).chain(of_place);
            Facts::from_context(host.plan, context, now, latches)
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
    let mut without_flags = spec.clone();
    without_flags.flags = NameMap::new();
    without_flags.rollouts = rollouts;
    without_flags
}

/// The arm that a request goes to.
pub(super) fn arm(host: Host<'_>, facts: &Facts<'_>) -> Option<RolloutDecision> {
    let mut decision = Decision::default();
    decide(host.plan, facts, &mut decision);
    decision.rollout().copied()
}
