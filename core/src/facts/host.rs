//! Facts from a request and its host. This module alone determines what is fetched from the host, and in
//! which order.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;

use super::{Facts, MintedId};
use crate::anonymous;
use crate::gate::ActiveLatches;
use crate::id_keys::IdKeys;
use crate::overrides::{OverrideError, OverrideKeys};
use crate::plan::{Input, Plan, Unit, UnitId};
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

    /// The ids that the same host has minted for this request before: when it decided the request a first time,
    /// before an internal redirect, or where it decides a request twice. `None` if there are none.
    fn earlier_ids(&self) -> Option<EarlierIds>;
}

/// The anonymous ids that a host has minted for a request before the current decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierIds {
    /// The value of [`Facts::minted_ids`] then.
    pub ids: String,
    /// Whether the response to the current decision has to set the ids' cookies: if no response of the earlier
    /// decision reaches the client.
    pub sets_cookies: bool,
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

    fn earlier_ids(&self) -> Option<EarlierIds> {
        None
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
        facts.id_keys = host.id_keys();
        let units = plan.units_without_id(&facts);
        if !units.is_empty() {
            facts.give_ids(plan, &units, host);
        }
        facts.latches = host.latches();
        if let Some(keys) = keys {
            facts.override_outcome = facts.take_override(plan, keys);
        }
        facts
    }

    /// Gives an id to units that have none and that the decision may need: the one of another unit with the
    /// same cookie, else the one that this host has minted for the request before, else the one that another
    /// host has minted and signed, else a new one.
    fn give_ids(&mut self, plan: &Plan, units: &[UnitId], host: &mut impl RequestHost<'a>) {
        let needed = plan.anonymous_needs(self);
        let earlier = host.earlier_ids();
        for &unit in units {
            let Some(cookie) = plan.unit(unit).and_then(Unit::anonymous_cookie) else { continue };
            let of_earlier = || {
                let earlier = earlier.as_ref()?;
                let (id, _) = anonymous::find_pair(earlier.ids.as_bytes(), cookie)?;
                Some((id.to_owned(), true, earlier.sets_cookies))
            };
            let shared = self.minted_for(plan, cookie).map(|id| (id.to_owned(), false, false));
            if !needed.contains(unit.0) {
                // The response still has to set the cookie of an id that has decided on an earlier pass.
                if let (None, Some((id, is_own, sets_cookie))) = (shared, of_earlier()) {
                    self.minted.push(MintedId { unit, id, is_own, sets_cookie });
                }
                continue;
            }
            let given = shared
                .or_else(of_earlier)
                .or_else(|| Some((self.received_id(cookie)?.to_owned(), false, false)))
                .or_else(|| Some((anonymous::id(host.entropy()?), true, true)));
            if let Some((id, is_own, sets_cookie)) = given {
                self.minted.push(MintedId { unit, id, is_own, sets_cookie });
            }
        }
        self.earlier_ids = earlier.map(|earlier| earlier.ids);
    }

    /// The id that another unit with the same cookie has got.
    fn minted_for(&self, plan: &Plan, cookie: &str) -> Option<&str> {
        let shares = |minted: &&MintedId| {
            plan.unit(minted.unit).and_then(Unit::anonymous_cookie) == Some(cookie)
        };
        self.minted.iter().find(shares).map(|minted| minted.id.as_str())
    }

    /// The id of a cookie in the field [`crate::headers::IDS`], if one of this host's keys signed it. The field is not
    /// trusted otherwise: a client can send it.
    fn received_id(&self, cookie: &str) -> Option<&'a str> {
        let (keys, list) = self.id_keys.zip(self.received_ids)?;
        let (id, signature) = anonymous::find_pair(list, cookie)?;
        keys.verifies(cookie, id, signature?.as_bytes()).then_some(id)
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
    struct RecordingHost<'k> {
        calls: RefCell<Vec<&'static str>>,
        earlier: Option<EarlierIds>,
        id_keys: Option<&'k IdKeys>,
    }

    impl<'a> RequestHost<'a> for RecordingHost<'a> {
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
            self.id_keys
        }

        fn earlier_ids(&self) -> Option<EarlierIds> {
            self.calls.borrow_mut().push("earlier ids");
            self.earlier.clone()
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
        assert_eq!(calls(all, &[(":path", "/")]), vec!["now", "ip", "earlier ids", "entropy"]);
        assert_eq!(calls(all, &[(":path", "/"), ("cookie", "uid=ada")]), vec!["now", "ip"]);
    }

    const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const OTHER_KEY: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";
    /// Two units share a cookie, and a third has another one.
    const UNITS: &str = r#"{"formatVersion":1,
        "units":{"a":[{"header":"x-a"},{"anonymous":"id"}],"b":[{"anonymous":"id"}],
            "c":[{"anonymous":"other"}]},
        "flags":{"f":{"variants":{"on":true,"off":false},"defaultVariant":"off","rules":[
            {"ramp":{"unit":"a","variant":"on","share":50}},
            {"ramp":{"unit":"b","variant":"on","share":50}},
            {"ramp":{"unit":"c","variant":"on","share":50}}]}}}"#;

    /// The ids of the units, the names of the cookies that the response sets, and the field for the next host.
    fn pass(
        headers: &[(&str, &str)],
        earlier: Option<EarlierIds>,
        key: Option<&str>,
    ) -> (Vec<Option<String>>, Vec<String>, Option<String>) {
        let plan = Plan::from_json(UNITS.as_bytes()).unwrap();
        let keys = key.map(|key| IdKeys::from_text(key).unwrap());
        let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let mut host =
            RecordingHost { earlier, id_keys: keys.as_ref(), ..RecordingHost::default() };
        let facts = Facts::of_request(&plan, headers, &mut host);
        let unit =
            |name: &str| facts.unit(&plan, plan.unit_named(name).unwrap()).map(str::to_owned);
        let cookie = |line: String| line.split('=').next().unwrap_or_default().to_owned();
        let cookies = facts.set_cookies(&plan).map(cookie).collect();
        (["a", "b", "c"].map(unit).into(), cookies, facts.ids_header(&plan))
    }

    #[test]
    fn an_id_lives_as_long_as_its_request() {
        let new = Some("07".repeat(16));
        let (ids, cookies, field) = pass(&[(":path", "/")], None, Some(KEY));
        assert_eq!(ids, [new.clone(), new.clone(), new.clone()]);
        assert_eq!(cookies, ["id", "other"]);
        // The next host with the key uses the ids and sets no cookie.
        let sent = field.clone().unwrap();
        let own = Some("0b".repeat(16));
        let mine = "0b".repeat(16);
        let next = pass(&[(":path", "/"), ("X-Serin-Id", &sent)], None, Some(KEY));
        assert_eq!(next, (ids.clone(), Vec::new(), field));
        // A client's cookie goes first; only the other id is carried on.
        let cookie = alloc::format!("id={mine}");
        let (ids, cookies, field) =
            pass(&[("cookie", &cookie), ("x-serin-id", &sent)], None, Some(KEY));
        assert_eq!(ids, [own.clone(), own.clone(), new.clone()]);
        assert!(cookies.is_empty());
        assert!(field.is_some_and(|field| field.starts_with("other=07")));
        // Hosts without the key, and with another one, trust no field.
        let forged = sent.replace("07", "0b");
        for (sent, key) in [(&sent, None), (&sent, Some(OTHER_KEY)), (&forged, Some(KEY))] {
            let (ids, cookies, _) = pass(&[("x-serin-id", sent)], None, key);
            assert_eq!(ids, [new.clone(), new.clone(), new.clone()]);
            assert_eq!(cookies, ["id", "other"]);
        }
    }

    #[test]
    fn a_second_pass_has_the_ids_of_the_first() {
        let earlier = |sets_cookies| EarlierIds {
            ids: alloc::format!("id={}; unknown={}", "0b".repeat(16), "0c".repeat(16)),
            sets_cookies,
        };
        let (old, new) = (Some("0b".repeat(16)), Some("07".repeat(16)));
        let (ids, cookies, field) = pass(&[], Some(earlier(true)), None);
        assert_eq!(ids, [old.clone(), old.clone(), new.clone()]);
        assert_eq!(cookies, ["id", "other"]);
        assert_eq!(field, None);
        // Without an id of its own, the first pass's response sets the cookie.
        // The ids of another host stay its own, on each pass.
        let plan = Plan::from_json(UNITS.as_bytes()).unwrap();
        let keys = IdKeys::from_text(KEY).unwrap();
        let mut host = RecordingHost {
            earlier: Some(earlier(true)),
            id_keys: Some(&keys),
            ..RecordingHost::default()
        };
        let other = alloc::format!(
            "other={0}.{1}",
            "0d".repeat(16),
            keys.sign("other", &"0d".repeat(16)).unwrap()
        );
        let fields = [(&b"x-serin-id"[..], other.as_bytes())];
        let facts = Facts::of_request(&plan, fields, &mut host);
        let minted = facts.minted_ids(&plan).unwrap();
        assert!(minted.starts_with("id=0b") && minted.contains("; unknown=0c"), "{minted}");
        assert!(!minted.contains("other="), "{minted}");
        assert!(facts.ids_header(&plan).unwrap().ends_with(&other));
        let (ids, cookies, _) = pass(&[], Some(earlier(false)), None);
        assert_eq!(ids, [old.clone(), old, new]);
        assert_eq!(cookies, ["other"]);
    }
}
