//! What Argo's routes can't keep apart. Its route for a canary is for one header field, `x-serin-arm`, whatever
//! the path: several fields would be alternatives there.

use super::argo::Options;
use super::canary::Canary;
use super::{Problem, routing};
use serin_core::Spec;
use serin_core::spec::{HostMatch, Rollout, RouteMatch};

/// Canaries whose requests would get another rollout's route.
pub(super) fn problems(spec: &Spec, canaries: &[Canary<'_>], options: &Options) -> Vec<Problem> {
    // Inside a mesh a VirtualService without hosts is made for the baseline's service alone.
    let everywhere = options.gateway.is_some() || options.virtual_service.is_some();
    let mut problems = Vec::new();
    for (index, canary) in canaries.iter().enumerate() {
        let shares = |other: &RouteMatch| share_hosts(canary.matches, other, everywhere);
        let others = spec.rollouts.iter().filter(|(name, _)| name != canary.name);
        for (name, other) in others.filter(|(_, other)| shares(&other.matches)) {
            problems.extend(same_arm(canary, name, other));
        }
        for other in canaries.iter().take(index).filter(|other| shares(other.matches)) {
            problems.extend(unordered(canary, other, options));
        }
    }
    problems
}

fn same_arm(canary: &Canary<'_>, name: &str, other: &Rollout) -> Option<Problem> {
    let Canary { name: own, arm, .. } = canary;
    other.arms.get(arm)?;
    Some(Problem(format!(
        "rollouts.{own}.arms.{arm}: rollouts.{name} has an arm {arm} on the same host, and Argo's route knows \
         the arm only: give this one a name of its own"
    )))
}

/// What becomes of two VirtualServices for one host.
fn unordered(canary: &Canary<'_>, other: &Canary<'_>, options: &Options) -> Option<Problem> {
    let (own, name) = (canary.name, other.name);
    if options.virtual_service.is_some() {
        return None;
    }
    if options.gateway.is_none() {
        return Some(Problem(format!(
            "rollouts.{own}.match: rollouts.{name} is on the same host, and in a mesh Istio takes one \
             VirtualService for each"
        )));
    }
    let nested = pairs(&canary.matches.paths, &other.matches.paths).any(|(one, other)| {
        // A route for everything is the last anyway.
        let whole = routing::is_everything(one) || routing::is_everything(other);
        !whole && (routing::contains(one, other) || routing::contains(other, one))
    });
    nested.then(|| {
        Problem(format!(
            "rollouts.{own}.match: rollouts.{name} is on the same host, and one's paths are below the other's: a \
             gateway joins VirtualServices in no certain order"
        ))
    })
}

/// Whether there is a host pattern that both have: Istio joins VirtualServices by patterns. No pattern is one
/// if that means everywhere.
fn share_hosts(one: &RouteMatch, other: &RouteMatch, everywhere: bool) -> bool {
    let same = |(one, other): (Option<&HostMatch>, Option<&HostMatch>)| {
        one == other && (one.is_some() || everywhere)
    };
    pairs(&one.hosts, &other.hosts).any(same)
}

/// Each of one list with each of another; an empty list is everything.
fn pairs<'a, T>(
    one: &'a [T],
    other: &'a [T],
) -> impl Iterator<Item = (Option<&'a T>, Option<&'a T>)> {
    let (one, other) = (routing::or_all(one), routing::or_all(other));
    one.into_iter()
        .flat_map(move |first| other.clone().into_iter().map(move |second| (first, second)))
}
