//! Routing: the targets of arms, and of requests without a decision.

use super::artifact::{Cause, Problem};
use super::source::Source;
use serin_core::Spec;
use serin_core::spec::{HostMatch, PathMatch, Rollout};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// The route of an arm's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArmRoute<'a> {
    /// The value of `x-serin-rollout`.
    pub rollout: &'a str,
    /// The value of `x-serin-arm`.
    pub arm: &'a str,
    /// The arm's target.
    pub target: &'a str,
    /// The target of the shadow's arm, if the rollout has a shadow: the value of `x-serin-shadow` in marked requests.
    pub shadow: Option<&'a str>,
}

/// The route of a rollout's requests without a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback<'a> {
    /// The rollout.
    pub rollout: &'a str,
    /// The host; `None` is every host.
    pub host: Option<&'a HostMatch>,
    /// The path; `None` is every path.
    pub path: Option<&'a PathMatch>,
    /// The baseline's target.
    pub target: &'a str,
}

/// The arms of a rollout, sorted by name, the baseline last.
pub fn arms<'a>(name: &'a str, rollout: &'a Rollout) -> Vec<ArmRoute<'a>> {
    let shadow = rollout.shadow.as_ref().and_then(|shadow| rollout.arms.get(&shadow.arm));
    let route = |(arm_name, arm): &'a (String, serin_core::spec::Arm)| ArmRoute {
        rollout: name,
        arm: arm_name,
        target: &arm.target,
        shadow: shadow.map(|arm| arm.target.as_str()),
    };
    let mut arms: Vec<ArmRoute<'a>> = rollout.arms.iter().map(route).collect();
    arms.sort_by_key(|route| route.arm == rollout.baseline);
    arms
}

/// The routes of requests without a decision, the most specific first. Like the core, it orders by host, then by
/// path.
pub fn fallbacks(spec: &Spec) -> Vec<Fallback<'_>> {
    let mut all: Vec<Fallback<'_>> =
        spec.rollouts.iter().flat_map(|(name, rollout)| of_rollout(name, rollout)).collect();
    all.sort_by_key(|fallback| (host_order(fallback.host), path_order(fallback.path)));
    all
}

fn of_rollout<'a>(name: &'a str, rollout: &'a Rollout) -> Vec<Fallback<'a>> {
    let target = baseline_target(rollout);
    let fallback = |host, path| Fallback { rollout: name, host, path, target };
    let hosts = or_all(&rollout.matches.hosts);
    let paths = or_all(&rollout.matches.paths);
    hosts.iter().flat_map(|host| paths.iter().map(|path| fallback(*host, *path))).collect()
}

/// Each item of a list; a single `None` for an empty list, which matches everything.
pub(super) fn or_all<T>(list: &[T]) -> Vec<Option<&T>> {
    if list.is_empty() { vec![None] } else { list.iter().map(Some).collect() }
}

/// The target of a rollout's baseline.
pub fn baseline_target(rollout: &Rollout) -> &str {
    rollout.arms.get(&rollout.baseline).map_or("", |arm| arm.target.as_str())
}

fn host_order(host: Option<&HostMatch>) -> (u8, Reverse<usize>, &str) {
    match host {
        Some(HostMatch::Exact(name)) => (0, Reverse(0), name),
        Some(HostMatch::Below(name)) => (1, Reverse(name.len()), name),
        None => (2, Reverse(0), ""),
    }
}

fn path_order(path: Option<&PathMatch>) -> (u8, Reverse<usize>, &str) {
    match path {
        Some(PathMatch::Exact(path)) => (0, Reverse(0), path),
        Some(PathMatch::Prefix(path)) => (1, Reverse(path.len()), path),
        None => (2, Reverse(0), ""),
    }
}

/// A path prefix without its final slash, which has no meaning. `None` for the prefix of every path.
pub fn prefix(path: &str) -> Option<&str> {
    Some(path.trim_end_matches('/')).filter(|path| !path.is_empty())
}

/// Whether a path matches every request.
pub fn is_everything(path: Option<&PathMatch>) -> bool {
    match path {
        None => true,
        Some(PathMatch::Exact(_)) => false,
        Some(PathMatch::Prefix(path)) => prefix(path).is_none(),
    }
}

/// Whether `outer` matches every request that `inner` matches.
pub fn contains(outer: Option<&PathMatch>, inner: Option<&PathMatch>) -> bool {
    let text = |path: &PathMatch| match path {
        PathMatch::Exact(path) => path.clone(),
        PathMatch::Prefix(path) => prefix(path).unwrap_or_default().to_owned(),
    };
    match (outer, inner) {
        (None, _) => true,
        (Some(PathMatch::Exact(_)), inner) => outer == inner,
        (Some(prefix @ PathMatch::Prefix(_)), inner) => {
            let (prefix, inner) = (text(prefix), inner.map(text).unwrap_or_default());
            let rest = inner.strip_prefix(&prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
    }
}

/// The target of requests that belong to no rollout: `option`, or else the target that all baselines share.
pub fn default_target<'a>(spec: &'a Spec, option: Option<&'a str>) -> Option<&'a str> {
    if option.is_some() {
        return option;
    }
    let mut targets = spec.rollouts.values().map(baseline_target);
    let first = targets.next()?;
    targets.all(|target| target == first).then_some(first)
}

/// The problem that there is no default target.
pub fn no_default(source: &Source<'_>) -> Problem {
    let why = if source.spec.rollouts.is_empty() {
        "there is none"
    } else {
        "the baselines have several targets"
    };
    Problem::in_spec(
        "rollouts",
        format!("{why}, so name the target of requests that belong to none with --default TARGET"),
    )
}

/// Every target that requests can go to, sorted.
pub fn targets<'a>(spec: &'a Spec, default: Option<&'a str>) -> BTreeSet<&'a str> {
    let arms = spec.rollouts.values().flat_map(|rollout| rollout.arms.values());
    arms.map(|arm| arm.target.as_str()).chain(default).collect()
}

/// The first path in the spec, or the option, that names a target.
pub fn place_of(spec: &Spec, target: &str) -> Cause {
    let mut arms = spec.rollouts.iter().flat_map(|(name, rollout)| arms(name, rollout));
    arms.find(|arm| arm.target == target).map_or_else(
        || Cause::Options("--default"),
        |arm| Cause::Spec(format!("rollouts.{}.arms.{}.target", arm.rollout, arm.arm)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(rollouts: &str) -> Spec {
        let text = format!(
            r#"{{"formatVersion":1,"units":{{"user":[{{"header":"u"}}]}},"rollouts":{rollouts}}}"#
        );
        Spec::from_json(text.as_bytes()).expect("a good spec")
    }

    #[test]
    fn baseline_is_the_last_arm() {
        let spec = spec(
            r#"{"shop":{"arms":{"a":{"target":"s1"},"b":{"target":"s2"},"c":{"target":"s3"}},
                "baseline":"a","split":{"a":50,"b":50},"shadow":{"arm":"c","percent":1}}}"#,
        );
        let (name, rollout) = spec.rollouts.iter().next().expect("one");
        let arms = arms(name, rollout);
        assert!(arms.iter().map(|arm| (arm.arm, arm.target)).eq([
            ("b", "s2"),
            ("c", "s3"),
            ("a", "s1")
        ]));
        assert!(arms.iter().all(|arm| arm.shadow == Some("s3")));
    }

    #[test]
    fn most_specific_fallback_is_first() {
        let rollout = |hosts: &str, paths: &str, target: &str| {
            format!(
                r#"{{"match":{{{hosts}"paths":{paths}}},"arms":{{"a":{{"target":"{target}"}}}},"baseline":"a"}}"#
            )
        };
        let one = rollout("", r#"["/"]"#, "1");
        let two = rollout(r#""hosts":["*.b.test","*.a.b.test"],"#, r#"["/x"]"#, "2");
        let three = rollout(r#""hosts":["z.test"],"#, r#"["/long",{"exact":"/a"}]"#, "3");
        let spec = spec(&format!(r#"{{"one":{one},"two":{two},"three":{three}}}"#));
        let order: Vec<String> = fallbacks(&spec)
            .iter()
            .map(|fallback| format!("{:?} {:?}", fallback.host, fallback.path))
            .collect();
        assert_eq!(
            order,
            [
                r#"Some(Exact("z.test")) Some(Exact("/a"))"#,
                r#"Some(Exact("z.test")) Some(Prefix("/long"))"#,
                r#"Some(Below("a.b.test")) Some(Prefix("/x"))"#,
                r#"Some(Below("b.test")) Some(Prefix("/x"))"#,
                r#"None Some(Prefix("/"))"#,
            ]
        );
        assert_eq!(default_target(&spec, None), None);
        assert_eq!(default_target(&spec, Some("x")), Some("x"));
        assert!(targets(&spec, None).into_iter().eq(["1", "2", "3"]));
    }
}
