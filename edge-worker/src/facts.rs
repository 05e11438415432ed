//! What the plan needs and only the host knows.

use serin_core::plan::Input;
use serin_core::{Facts, Plan};

use crate::head::Head;
use crate::jwt::Claims;

/// The field in which Cloudflare tells the client's address; it overwrites what a client sends.
const CLIENT_ADDRESS: &str = "cf-connecting-ip";

/// What the platform is asked for.
pub(crate) trait Platform {
    /// A field of the request's `cf` object.
    fn client_field(&self, name: &str) -> Option<String>;
    /// 128 bits of entropy.
    fn entropy(&self) -> Option<[u8; 16]>;
}

/// Everything that deciding this request may look at, and nothing more. `tokens`: testers' overrides are
/// looked for.
pub(crate) fn gather<'a>(
    plan: &Plan,
    head: &'a Head,
    now: u64,
    claims: &Claims,
    tokens: bool,
    platform: &impl Platform,
) -> Facts<'a> {
    let mut facts = Facts::gather_with_token(plan, tokens, head.pairs());
    facts.set_now(now);
    for input in plan.host_inputs(&facts) {
        match input.kind {
            Input::Ip => {
                if let Some(address) = head.text(CLIENT_ADDRESS) {
                    facts.set(input, address);
                }
            }
            Input::Jwt(claim) => {
                if let Some(text) = claims.text(claim) {
                    facts.set(input, text);
                }
            }
            kind => {
                let field = cf_field(kind).and_then(|name| platform.client_field(name));
                if let Some(value) = field {
                    facts.set(input, value);
                }
            }
        }
    }
    for unit in plan.anonymous_units(&facts) {
        if let Some(entropy) = platform.entropy() {
            facts.mint(unit, entropy);
        }
    }
    facts
}

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
    use serin_core::{Decision, decide};

    struct Known;

    impl Platform for Known {
        fn client_field(&self, name: &str) -> Option<String> {
            (name == "country").then(|| "SE".to_owned())
        }

        fn entropy(&self) -> Option<[u8; 16]> {
            Some([7; 16])
        }
    }

    #[test]
    fn address_country_and_id_come_from_the_host() {
        let spec = br#"{"formatVersion":1,
            "units":{"user":[{"cookie":"uid"},{"anonymous":"serin_id"}]},
            "rollouts":{"web":{"unit":"user","arms":{"a":{"target":"a"},"b":{"target":"b"}},
                "baseline":"a","canary":{"share":0,"rings":[{"all":[
                {"attribute":"country","equals":"SE"},
                {"attribute":"ip","cidr":["192.0.2.0/24"]}]}]}}}}"#;
        let plan = Plan::from_json(spec).unwrap();
        let arm = |address: &str| {
            let text = format!("GET\nhttps://shop.example/\ncf-connecting-ip\n{address}");
            let head = Head::new(text);
            let facts = gather(&plan, &head, 0, &Claims::default(), false, &Known);
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
}
