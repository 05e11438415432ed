//! Native Rust as a host: `serin-core` in this process. Hosts with real entropy are compared with it.

use crate::clock;
use crate::outcome::{self, Outcome, RawOutcome};
use crate::vector::{Case, Expect, Suite};
use serde_json::Value;
use serin_core::gate::{ActiveLatches, Latches};
use serin_core::plan::Input;
use serin_core::{
    Decision, EarlierIds, Facts, IdKeys, OverrideError, OverrideKeys, Plan, RequestHost, decide,
    headers, is_reserved_header,
};
use std::borrow::Cow;

/// Compiles the suite's spec; an error lists all errors of the spec.
pub fn plan(suite: &Suite) -> Result<Plan, String> {
    let json = suite.spec.to_string();
    Plan::from_json(json.as_bytes()).map_err(|errors| format!("{}: {errors}", suite.name))
}

/// The suite's revision.
pub fn revision(suite: &Suite) -> u64 {
    suite.spec.get("revision").and_then(Value::as_u64).unwrap_or_default()
}

/// Decides a case; every minted id has the same entropy.
pub fn decide_case(plan: &Plan, case: &Case, entropy: [u8; 16]) -> Outcome {
    decide_minting(plan, case, |_| entropy).into()
}

/// Decides a case; `entropy` returns the random bytes of the n-th minted id.
pub fn decide_minting(
    plan: &Plan,
    case: &Case,
    entropy: impl FnMut(usize) -> [u8; 16],
) -> RawOutcome {
    let fields = case.request.fields();
    let keys = case.override_keys.as_ref();
    let keys = keys.and_then(|keys| OverrideKeys::from_json(keys.as_bytes()).ok());
    let id_keys = case.id_keys.as_ref().and_then(|keys| IdKeys::from_text(keys).ok());
    let active_latches = active_latches(plan, case);
    let mut host = CaseHost {
        latches: active_latches.as_ref(),
        override_keys: keys.as_ref(),
        id_keys: id_keys.as_ref(),
        ..CaseHost::new(case, entropy)
    };
    let facts = facts(plan, &fields, &mut host);
    let outcome = facts.override_outcome();
    let overrides = outcome.map(|outcome| outcome.err().map_or("applied", OverrideError::as_str));
    let mut decision = Decision::new(plan);
    decide(plan, &facts, &mut decision);
    let kept = fields.iter().filter(|(name, _)| !is_reserved_header(name.as_bytes()));
    let mut upstream: Vec<(String, Vec<u8>)> = kept.cloned().collect();
    decision.request_headers(plan, |name, value| {
        upstream.push((name.to_string(), value.as_bytes().to_vec()));
    });
    let ids = facts.ids_header(plan);
    upstream.extend(ids.map(|ids| (headers::IDS.to_string(), ids.into_bytes())));
    let record = decision.record(plan);
    RawOutcome {
        response_decision: facts
            .wants_decision()
            .then(|| decision.response_record(plan, record.clone())),
        record,
        overrides: overrides.map(str::to_owned),
        upstream,
        set_cookie: decision.set_cookies(plan, &facts),
    }
}

/// The case's latches that are active under the plan.
fn active_latches(plan: &Plan, case: &Case) -> Option<ActiveLatches> {
    let json = case.latches.as_ref()?.to_string();
    Latches::from_json(json.as_bytes())?.for_plan(plan)
}

/// Sets a case's expectation to native Rust's outcome. A person must review it.
pub fn expect(plan: &Plan, case: &mut Case) {
    let outcome = decide_case(plan, case, case.entropy());
    let record: Value = serde_json::from_str(&outcome.record).unwrap_or_default();
    let part = |name: &str| record.get(name).cloned().unwrap_or_default();
    let mut upstream = outcome.upstream;
    upstream.retain(|name, _| outcome::is_reserved_field(name));
    case.expect = Expect {
        forced_by: None,
        overrides: None,
        response_decision: false,
        rollout: serde_json::from_value(part("rollout")).ok(),
        flags: serde_json::from_value(part("flags")).unwrap_or_default(),
        upstream,
        set_cookie: outcome.set_cookie,
    };
}

/// The host of a case.
pub struct CaseHost<'a, E> {
    case: &'a Case,
    latches: Option<&'a ActiveLatches>,
    override_keys: Option<&'a OverrideKeys>,
    id_keys: Option<&'a IdKeys>,
    entropy: E,
    /// The number of anonymous ids so far.
    minted: usize,
}

impl<'a, E: FnMut(usize) -> [u8; 16]> CaseHost<'a, E> {
    /// A host without latches and keys. `entropy` returns the random bytes of the n-th anonymous id.
    pub fn new(case: &'a Case, entropy: E) -> Self {
        CaseHost { case, latches: None, override_keys: None, id_keys: None, entropy, minted: 0 }
    }
}

impl<'a, E: FnMut(usize) -> [u8; 16]> RequestHost<'a> for CaseHost<'a, E> {
    fn now(&self) -> Option<u64> {
        Some(self.case.now.unwrap_or_else(clock::unix_ms))
    }

    fn input(&self, input: &Input) -> Option<Cow<'a, str>> {
        value(self.case, input).map(Cow::Owned)
    }

    fn entropy(&mut self) -> Option<[u8; 16]> {
        let entropy = (self.entropy)(self.minted);
        self.minted += 1;
        Some(entropy)
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

/// The facts of a case; `fields` are those of its request.
pub fn facts<'a>(
    plan: &Plan,
    fields: &'a [(String, Vec<u8>)],
    host: &mut CaseHost<'a, impl FnMut(usize) -> [u8; 16]>,
) -> Facts<'a> {
    let request = &host.case.request;
    let pseudo = [
        (&b":method"[..], request.method.as_bytes()),
        (b":scheme", request.scheme.as_bytes()),
        (b":authority", request.authority.as_bytes()),
        (b":path", request.path.as_bytes()),
    ];
    let pairs = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_slice()));
    let pairs = pseudo.into_iter().chain(pairs);
    Facts::of_request(plan, pairs, host)
}

/// The value of an input that is not in the request's fields.
fn value(case: &Case, input: &Input) -> Option<String> {
    let field = |name: &str| case.cf.get(name).cloned();
    match input {
        Input::Ip => Some(case.ip().to_string()),
        Input::Country => field("country"),
        Input::Region => field("region"),
        Input::City => field("city"),
        Input::Asn => field("asn"),
        Input::Colo => field("colo"),
        Input::Jwt(claim) => case.jwt.get(&**claim).and_then(|claim| match claim {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(value) => Some(value.to_string()),
            _ => None,
        }),
        // The other inputs are in the request.
        _ => None,
    }
}
