//! Large generated specs, for tests and benchmarks.

use std::fmt::Write as _;

/// A spec with `flags` flags, each delivered to its own path, and `rollouts` rollouts, each with
/// its own host. A request for `/used` on `used.example.com` uses one flag and one rollout.
pub(crate) fn large(flags: usize, rollouts: usize) -> String {
    let mut spec = String::from(r#"{"formatVersion":1,"units":{"user":[{"header":"x-user-id"}]},"#);
    spec.push_str(r#""flags":{"#);
    for number in 0..flags {
        let path = if number == 0 { "used".into() } else { format!("other/{number:05}") };
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(
            spec,
            r#"{comma}"flag-{number:05}":{{"variants":{{"on":true,"off":false}},"defaultVariant":"off",
            "rules":[{{"when":{{"attribute":"header.x-country","in":["CH","AT","DE"]}},
            "split":{{"on":50,"off":50}}}}],"deliver":{{"paths":["/{path}"]}}}}"#
        );
    }
    spec.push_str(r#"},"rollouts":{"#);
    for number in 0..rollouts {
        let host = if number == 0 { "used".into() } else { format!("other-{number:05}") };
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(
            spec,
            r#"{comma}"rollout-{number:05}":{{"match":{{"hosts":["{host}.example.com"]}},
            "arms":{{"stable":{{"target":"v1"}},"canary":{{"target":"v2"}}}},"baseline":"stable",
            "canary":{{"share":5}}}}"#
        );
    }
    spec.push_str("}}");
    spec
}
