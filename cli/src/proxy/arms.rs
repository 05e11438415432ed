//! The arms' upstreams, from the command line.

use super::table::{Table, Upstream};
use serin_core::Plan;
use std::collections::HashMap;
use std::sync::Arc;

/// An upstream with the name that the command line gives it.
#[derive(Clone, Debug)]
pub(crate) struct NamedUpstream {
    pub(crate) name: String,
    pub(crate) upstream: Upstream,
}

/// Parses `NAME=URL`.
pub(crate) fn parse(text: &str) -> Result<NamedUpstream, String> {
    let (name, url) = text.split_once('=').ok_or("the form is NAME=URL")?;
    if name.is_empty() {
        return Err("the name before = is empty".to_owned());
    }
    Ok(NamedUpstream { name: name.to_owned(), upstream: parse_url(url)? })
}

/// Parses the URL of an upstream.
pub(crate) fn parse_url(url: &str) -> Result<Upstream, String> {
    Upstream::parse(url)
}

/// The table with the upstreams of all arms. The error names every arm without an upstream.
pub(crate) fn table(
    plan: &Plan,
    arms: &[NamedUpstream],
    default: Option<&Upstream>,
) -> Result<Table, String> {
    let given: HashMap<&str, &Upstream> =
        arms.iter().map(|arm| (arm.name.as_str(), &arm.upstream)).collect();
    let mut upstreams = HashMap::new();
    let mut missing = Vec::new();
    for rollout in plan.rollouts() {
        for arm in rollout.arms() {
            let full = format!("{}.{}", rollout.name(), arm.name());
            let names = [full.as_str(), arm.target(), arm.name()];
            match names.iter().find_map(|name| given.get(name)) {
                Some(upstream) => {
                    let key = (rollout.name().to_owned(), arm.name().to_owned());
                    upstreams.insert(key, Arc::new((*upstream).clone()));
                }
                None => missing.push(format!("{full} (target {})", arm.target())),
            }
        }
    }
    if !missing.is_empty() {
        let verb = if missing.len() == 1 { "has" } else { "have" };
        let list = missing.join(", ");
        return Err(format!("{list} {verb} no upstream: give one with --arm NAME=URL"));
    }
    Ok(Table::new(plan.clone(), upstreams, default.cloned().map(Arc::new)))
}

/// The names that no arm of the plan has.
pub(crate) fn unused<'a>(plan: &Plan, arms: &'a [NamedUpstream]) -> Vec<&'a str> {
    let known = |name: &str| {
        plan.rollouts().iter().any(|rollout| {
            rollout.arms().iter().any(|arm| {
                name == arm.target()
                    || name == arm.name()
                    || name.strip_prefix(rollout.name()).and_then(|rest| rest.strip_prefix('.'))
                        == Some(arm.name())
            })
        })
    };
    arms.iter().map(|arm| arm.name.as_str()).filter(|name| !known(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let spec = br#"{"formatVersion":1,"units":{"user":[{"header":"x-user-id"}]},"rollouts":{
            "a":{"match":{"paths":["/a"]},"arms":{"stable":{"target":"a-v1"},"canary":{"target":"a-v2"}},
                 "baseline":"stable","canary":{"share":5}},
            "b":{"match":{"paths":["/b"]},"arms":{"stable":{"target":"b-v1"}},"baseline":"stable"}}}"#;
        Plan::from_json(spec).expect("a good spec")
    }

    fn named(names: &[&str]) -> Vec<NamedUpstream> {
        let arm = |(index, name): (usize, &&str)| {
            parse(&format!("{name}=http://127.0.0.1:{}", 1000 + index)).expect("a good arm")
        };
        names.iter().enumerate().map(arm).collect()
    }

    fn ports(names: &[&str]) -> Result<Vec<u16>, String> {
        let table = table(&plan(), &named(names), None)?;
        let arms = [("a", "canary"), ("a", "stable"), ("b", "stable")];
        let port = |(rollout, arm)| table.arm(rollout, arm).and_then(|upstream| upstream.port());
        Ok(arms.map(port).into_iter().flatten().collect())
    }

    #[test]
    fn the_most_specific_name_wins() {
        assert_eq!(ports(&["stable", "canary"]), Ok(vec![1001, 1000, 1000]));
        assert_eq!(ports(&["stable", "canary", "a-v1"]), Ok(vec![1001, 1002, 1000]));
        assert_eq!(ports(&["stable", "canary", "a-v1", "a.stable"]), Ok(vec![1001, 1003, 1000]));
    }

    #[test]
    fn every_arm_without_an_upstream_is_named() {
        assert_eq!(
            ports(&["a-v1"]),
            Err("a.canary (target a-v2), b.stable (target b-v1) have no upstream: give one with \
                 --arm NAME=URL"
                .to_owned())
        );
    }

    #[test]
    fn names_without_an_arm_are_found() {
        let arms = named(&["stable", "a.canary", "a-v2", "shop", "c.stable"]);
        assert_eq!(unused(&plan(), &arms), ["shop", "c.stable"]);
    }

    #[test]
    fn wrong_arms_are_refused() {
        for bad in ["x", "=http://a", "a=", "a=ftp://x", "a=https://x", "a=http://", "a=b"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
