//! Checks for canaries that Argo's routes cannot distinguish. Argo's route for a canary matches one header,
//! `x-serin-arm`, on every path, because it treats several headers as alternatives.

use super::options::Options;
use crate::export::artifact::Problem;
use crate::export::canary::Canary;
use crate::export::routing;
use serin_core::Spec;
use serin_core::spec::{HostMatch, Rollout, RouteMatch};

/// The problems of canaries whose requests would get the route of another rollout.
pub(super) fn problems(spec: &Spec, canaries: &[Canary<'_>], options: &Options) -> Vec<Problem> {
    // Inside a mesh, a VirtualService without hosts is for the service of the baseline only.
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
    Some(Problem::in_spec(
        format!("rollouts.{own}.arms.{arm}"),
        format!(
            "rollouts.{name} has an arm {arm} on the same host, and Argo's route knows \
         the arm only: give this one a name of its own"
        ),
    ))
}

/// The problem of two VirtualServices for one host.
fn unordered(canary: &Canary<'_>, other: &Canary<'_>, options: &Options) -> Option<Problem> {
    let (own, name) = (canary.name, other.name);
    if options.virtual_service.is_some() {
        return None;
    }
    if options.gateway.is_none() {
        return Some(Problem::in_spec(
            format!("rollouts.{own}.match"),
            format!(
                "rollouts.{name} is on the same host, and in a mesh Istio takes one \
             VirtualService for each"
            ),
        ));
    }
    let nested = pairs(&canary.matches.paths, &other.matches.paths).any(|(one, other)| {
        // A route that matches everything is the last one anyway.
        let whole = routing::is_everything(one) || routing::is_everything(other);
        !whole && (routing::contains(one, other) || routing::contains(other, one))
    });
    nested.then(|| {
        Problem::in_spec(
            format!("rollouts.{own}.match"),
            format!(
                "rollouts.{name} is on the same host, and one's paths are below the other's: a \
             gateway joins VirtualServices in no certain order"
            ),
        )
    })
}

/// Whether both have a host pattern in common: Istio merges VirtualServices by pattern. Having no pattern counts as
/// one if `everywhere`.
fn share_hosts(one: &RouteMatch, other: &RouteMatch, everywhere: bool) -> bool {
    let same = |(one, other): (Option<&HostMatch>, Option<&HostMatch>)| {
        one == other && (one.is_some() || everywhere)
    };
    pairs(&one.hosts, &other.hosts).any(same)
}

/// Each item of one list with each item of the other; an empty list is everything.
fn pairs<'a, T>(
    one: &'a [T],
    other: &'a [T],
) -> impl Iterator<Item = (Option<&'a T>, Option<&'a T>)> {
    let (one, other) = (routing::or_all(one), routing::or_all(other));
    one.into_iter()
        .flat_map(move |first| other.clone().into_iter().map(move |second| (first, second)))
}
