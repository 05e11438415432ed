//! Facts from a request and its host. This module alone determines what is fetched from the host, and in
//! which order.

use alloc::borrow::Cow;

use super::Facts;
use crate::gate::ActiveLatches;
use crate::id_keys::IdKeys;
use crate::overrides::{OverrideError, OverrideKeys};
use crate::plan::{Input, Plan};
use crate::value::timestamp::Timestamp;

/// The host of one request: the source of all facts that are not in the header block.
///
/// Every method is required; a host without the value returns `None`. [`Facts::of_request`] calls a method
/// only if the plan needs its value, so a method may be an expensive call of the proxy or the platform.
pub trait RequestHost<'a> {
    /// The time of the decision, in ms since 1970-01-01T00:00:00Z; `None` without a clock. It must not
    /// decrease from one request to the next: see [`crate::MonotonicClock`].
    fn now(&self) -> Option<u64>;

    /// The value of an input that is not in the header block; `None` if the host does not know it. An
    /// address may have a port.
    fn input(&self, input: &Input) -> Option<Cow<'a, str>>;

    /// 16 random bytes for an anonymous id; `None` without a source of randomness.
    fn entropy(&mut self) -> Option<[u8; 16]>;

    /// The latches in force, see [`crate::gate::Latches::for_plan`]; `None` if none are known.
    fn latches(&self) -> Option<&'a ActiveLatches>;

    /// The keys of signed overrides; `None` if the host accepts no overrides.
    fn override_keys(&self) -> Option<&'a OverrideKeys>;

    /// The keys of anonymous ids; `None` if the host does not sign the ids that it mints.
    fn id_keys(&self) -> Option<&'a IdKeys>;
}

/// A host with the same values for every request and no inputs, for tools and tests.
///
/// ```
/// use serin_core::{Facts, FixedHost, Plan};
///
/// let plan = Plan::from_json(br#"{ "formatVersion": 1 }"#).expect("a good spec");
/// let headers: [(&[u8], &[u8]); 1] = [(b":path", b"/")];
/// let facts = Facts::of_request(&plan, headers, &mut FixedHost::at(1_795_251_600_000));
/// assert_eq!(facts.path(), "/");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct FixedHost<'a> {
    /// The time, in ms since 1970-01-01T00:00:00Z.
    pub now: Option<u64>,
    /// The random bytes of every anonymous id.
    pub entropy: Option<[u8; 16]>,
    /// The latches in force.
    pub latches: Option<&'a ActiveLatches>,
    /// The keys of signed overrides.
    pub override_keys: Option<&'a OverrideKeys>,
    /// The keys of anonymous ids.
    pub id_keys: Option<&'a IdKeys>,
}

impl FixedHost<'_> {
    /// A host that knows only the time.
    pub fn at(unix_ms: u64) -> Self {
        FixedHost { now: Some(unix_ms), ..FixedHost::default() }
    }
}

impl<'a> RequestHost<'a> for FixedHost<'a> {
    fn now(&self) -> Option<u64> {
        self.now
    }

    fn input(&self, _: &Input) -> Option<Cow<'a, str>> {
        None
    }

    fn entropy(&mut self) -> Option<[u8; 16]> {
        self.entropy
    }

    fn latches(&self) -> Option<&'a ActiveLatches> {
        self.latches
    }

    fn override_keys(&self) -> Option<&'a OverrideKeys> {
        self.override_keys
    }

    fn id_keys(&self) -> Option<&'a IdKeys> {
        self.id_keys
    }
}

impl<'a> Facts<'a> {
    /// The facts of a request: from its header block, from the host as far as the plan needs it, and from
    /// the override that the request carries.
    ///
    /// The header block is pairs of name and value as the host has them, with the pseudo-headers
    /// `:method`, `:scheme`, `:authority` and `:path`. Lines of one name are joined by `, `. A value
    /// that is not UTF-8 counts as missing.
    ///
    /// The clock is read only if the plan or a token needs it. A token is parsed only if the host has keys;
    /// [`Facts::override_outcome`] has the result.
    pub fn of_request(
        plan: &Plan,
        headers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
        host: &mut impl RequestHost<'a>,
    ) -> Facts<'a> {
        let keys = host.override_keys();
        let mut facts = Facts::of_headers(plan, keys.is_some(), headers);
        if plan.needs_time() || facts.token().is_some() {
            facts.now = host.now().map(Timestamp::from_unix_ms);
        }
        for input in plan.host_inputs(&facts) {
            if let Some(value) = host.input(input.kind) {
                facts.set(input, value);
            }
        }
        for unit in plan.anonymous_units(&facts) {
            if let Some(entropy) = host.entropy() {
                facts.mint(unit, entropy);
            }
        }
        facts.id_keys = host.id_keys();
        facts.latches = host.latches();
        if let Some(keys) = keys {
            facts.override_outcome = facts.take_override(plan, keys);
        }
        facts
    }

    /// The result of verifying the override token; `None` if the request carries none or the host has no
    /// keys.
    pub fn override_outcome(&self) -> Option<Result<(), OverrideError>> {
        self.override_outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use core::cell::RefCell;

    /// A host that knows every value and records the calls.
    #[derive(Default)]
    struct RecordingHost {
        calls: RefCell<Vec<&'static str>>,
    }

    impl<'a> RequestHost<'a> for RecordingHost {
        fn now(&self) -> Option<u64> {
            self.calls.borrow_mut().push("now");
            Some(1_795_251_600_000)
        }

        fn input(&self, input: &Input) -> Option<Cow<'a, str>> {
            self.calls.borrow_mut().push(if *input == Input::Ip { "ip" } else { "other input" });
            Some("192.0.2.1".into())
        }

        fn entropy(&mut self) -> Option<[u8; 16]> {
            self.calls.get_mut().push("entropy");
            Some([7; 16])
        }

        fn latches(&self) -> Option<&'a ActiveLatches> {
            None
        }

        fn override_keys(&self) -> Option<&'a OverrideKeys> {
            None
        }

        fn id_keys(&self) -> Option<&'a IdKeys> {
            None
        }
    }

    fn calls(spec: &str, headers: &[(&'static str, &'static str)]) -> Vec<&'static str> {
        let plan = Plan::from_json(spec.as_bytes()).unwrap();
        let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let mut host = RecordingHost::default();
        Facts::of_request(&plan, headers, &mut host);
        host.calls.into_inner()
    }

    #[test]
    fn a_host_is_called_only_for_values_that_the_plan_needs() {
        let plain = r#"{"formatVersion":1,"units":{"user":[{"header":"x-user"}]},
            "flags":{"f":{"variants":{"on":true,"off":false},"defaultVariant":"off",
                "rules":[{"ramp":{"variant":"on","share":50}}]}}}"#;
        assert_eq!(calls(plain, &[(":path", "/")]), Vec::<&str>::new());
        let all = r#"{"formatVersion":1,
            "units":{"user":[{"cookie":"uid"},{"anonymous":"serin_id"}]},
            "rollouts":{"web":{"unit":"user","arms":{"a":{"target":"a"},"b":{"target":"b"}},
                "baseline":"a","canary":{"start":"2026-11-21T09:00:00Z","steps":[{"share":100}],
                "rings":[{"attribute":"ip","cidr":["192.0.2.0/24"]}]}}}}"#;
        assert_eq!(calls(all, &[(":path", "/")]), vec!["now", "ip", "entropy"]);
        assert_eq!(calls(all, &[(":path", "/"), ("cookie", "uid=ada")]), vec!["now", "ip"]);
    }
}
