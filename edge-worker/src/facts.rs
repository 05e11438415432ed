//! The facts of a request: Cloudflare as the core's `RequestHost`.

use std::borrow::Cow;

use serin_core::gate::ActiveLatches;
use serin_core::plan::Input;
use serin_core::{EarlierIds, IdKeys, MonotonicClock, OverrideKeys, RequestHost};

use crate::jwt::Claims;
use crate::request_head::RequestHead;

/// The header field with the client's address. Cloudflare overwrites what a client sends.
const CLIENT_ADDRESS: &str = "cf-connecting-ip";

/// The platform's part of a request's facts.
pub(crate) trait Platform {
    /// A field of the request's `cf` object.
    fn client_field(&self, name: &str) -> Option<String>;
    /// 128 bits of entropy.
    fn entropy(&self) -> Option<[u8; 16]>;
}

/// The Worker that handles a request.
pub(crate) struct CloudflareHost<'a, P> {
    pub(crate) head: &'a RequestHead,
    /// The isolate's clock, which outlives its plans.
    pub(crate) clock: &'a MonotonicClock,
    /// The platform's time when the request arrived, in ms since 1970.
    pub(crate) now: u64,
    pub(crate) claims: &'a Claims,
    pub(crate) latches: Option<&'a ActiveLatches>,
    pub(crate) override_keys: Option<&'a OverrideKeys>,
    pub(crate) id_keys: Option<&'a IdKeys>,
    pub(crate) platform: &'a P,
}

impl<'a, P: Platform> RequestHost<'a> for CloudflareHost<'a, P> {
    fn now(&self) -> Option<u64> {
        self.clock.advance(Some(self.now))
    }

    fn input(&self, input: &Input) -> Option<Cow<'a, str>> {
        match input {
            Input::Ip => self.head.text(CLIENT_ADDRESS).map(Cow::Borrowed),
            Input::Jwt(claim) => self.claims.text(claim).map(Cow::Owned),
            _ => self.platform.client_field(cf_field(input)?).map(Cow::Owned),
        }
    }

    fn entropy(&mut self) -> Option<[u8; 16]> {
        self.platform.entropy()
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

    /// A Worker decides a request once: a redirect of its target goes to the client.
    fn earlier_ids(&self) -> Option<EarlierIds> {
        None
    }
}

/// The name of an input in the request's `cf` object.
fn cf_field(input: &Input) -> Option<&'static str> {
    match input {
        Input::Country => Some("country"),
        Input::Region => Some("region"),
        Input::City => Some("city"),
        Input::Asn => Some("asn"),
        Input::Colo => Some("colo"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serin_core::{Decision, Facts, Plan, decide};

    struct FixedPlatform;

    impl Platform for FixedPlatform {
        fn client_field(&self, name: &str) -> Option<String> {
            (name == "country").then(|| "SE".to_owned())
        }

        fn entropy(&self) -> Option<[u8; 16]> {
            Some([7; 16])
        }
    }

    #[test]
    fn address_country_and_id_are_the_hosts() {
        let spec = br#"{"formatVersion":1,
            "units":{"user":[{"cookie":"uid"},{"anonymous":"serin_id"}]},
            "rollouts":{"web":{"unit":"user","arms":{"a":{"target":"a"},"b":{"target":"b"}},
                "baseline":"a","canary":{"share":0,"rings":[{"all":[
                {"attribute":"country","equals":"SE"},
                {"attribute":"ip","cidr":["192.0.2.0/24"]}]}]}}}}"#;
        let plan = Plan::from_json(spec).unwrap();
        let arm = |address: &str| {
            let text = format!("GET\nhttps://shop.example/\ncf-connecting-ip\n{address}");
            let head = RequestHead::new(text);
            let mut edge = CloudflareHost {
                head: &head,
                clock: &MonotonicClock::default(),
                now: 0,
                claims: &Claims::default(),
                latches: None,
                override_keys: None,
                id_keys: None,
                platform: &FixedPlatform,
            };
            let facts = Facts::of_request(&plan, head.pairs(), &mut edge);
            let mut decision = Decision::new(&plan);
            decide(&plan, &facts, &mut decision);
            let cookies = decision.set_cookies(&plan, &facts);
            (decision.arm(&plan).map(|(_, arm)| arm.to_owned()).unwrap(), cookies)
        };
        let (inside, cookies) = arm("192.0.2.9");
        assert_eq!(inside, "b");
        assert!(cookies[0].starts_with("serin_id=07070707"), "{cookies:?}");
        assert!(cookies[0].ends_with("; Secure"), "{cookies:?}");
        assert_eq!(arm("198.51.100.1").0, "a");
    }

    #[test]
    fn a_started_step_stays_when_the_clock_goes_back() {
        const START: u64 = 1_795_251_600_000;
        let spec = |revision: u64| {
            format!(
                r#"{{"formatVersion":1,"revision":{revision},
                "units":{{"user":[{{"header":"x-user"}}]}},
                "rollouts":{{"web":{{"unit":"user","arms":{{"a":{{"target":"a"}},"b":{{"target":"b"}}}},
                    "baseline":"a","canary":{{"start":"2026-11-21T09:00:00Z",
                    "steps":[{{"share":100}}]}}}}}}}}"#
            )
        };
        let plans = [1, 2].map(|revision| Plan::from_json(spec(revision).as_bytes()).unwrap());
        let clock = MonotonicClock::default();
        let arm = |plan: &Plan, now| {
            let head = RequestHead::new("GET\nhttps://shop.example/\nx-user\nada".to_owned());
            let claims = Claims::default();
            let mut edge = CloudflareHost {
                head: &head,
                clock: &clock,
                now,
                claims: &claims,
                latches: None,
                override_keys: None,
                id_keys: None,
                platform: &FixedPlatform,
            };
            let facts = Facts::of_request(plan, head.pairs(), &mut edge);
            let mut decision = Decision::new(plan);
            decide(plan, &facts, &mut decision);
            decision.arm(plan).map(|(_, arm)| arm.to_owned()).unwrap()
        };
        let [first, second] = &plans;
        assert_eq!(arm(first, START - 1), "a");
        assert_eq!(arm(first, START), "b");
        assert_eq!(arm(first, START - 1), "b");
        // The next plan continues with the same clock.
        assert_eq!(arm(second, START - 1), "b");
        assert_eq!(arm(second, 0), "b");
    }
}
