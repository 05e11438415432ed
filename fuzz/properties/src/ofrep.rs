//! Any body gets an answer in the protocol's words, the same one twice; of all flags at once each is what
//! it is by itself; and without the token nobody gets any.

use serde_json::{Value, json};
use serin_conformance::random::START;
use serin_core::Plan;
use serin_ofrep::{Request, Response, Settings, respond};
use std::sync::OnceLock;

const BULK: &str = "/ofrep/v1/evaluate/flags";
const STATUS: [u16; 3] = [200, 400, 404];
const REASONS: [&str; 5] = ["STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED"];

pub(crate) fn holds(bytes: &[u8]) {
    let all = asked(BULK, bytes, None);
    let shut = Settings { token: Some("secret".into()), ..Settings::default() };
    let request = Request { method: "POST", path: BULK, body: Some(bytes), ..Request::default() };
    assert_eq!(respond(&shut, Some(plan()), request).map(|response| response.status), Some(401));
    // As a key, any bytes name a flag or none, and the answer has a value or says why not.
    let key = String::from_utf8_lossy(bytes);
    let one = asked(&format!("{BULK}/{key}"), b"{}", None);
    let said_why = said(&one).get("errorCode").is_some();
    assert_eq!(said_why, one.status != 200, "{one:?}");
    let body = said(&all);
    let Some(flags) = body["flags"].as_array() else {
        assert_eq!(all.status, 400, "{all:?}");
        return;
    };
    assert_eq!(flags.len(), plan().flags().len());
    for (flag, answer) in plan().flags().iter().zip(flags) {
        let one = asked(&format!("{BULK}/{}", flag.name()), bytes, None);
        assert_eq!(&said(&one), answer);
        check(flag.name(), answer);
    }
    let tag = all.fields.iter().find(|(name, _)| *name == "etag").expect("a tag");
    assert_eq!(asked(BULK, bytes, Some(&tag.1)).status, 304);
}

fn check(name: &str, answer: &Value) {
    assert_eq!(answer["key"], name);
    if answer.get("errorCode").is_some() {
        assert!(answer["errorDetails"].is_string() && answer.get("value").is_none(), "{answer}");
        return;
    }
    assert!(REASONS.iter().any(|reason| answer["reason"] == *reason), "{answer}");
    assert!(answer["variant"].is_string() && answer.get("value").is_some(), "{answer}");
}

fn asked(path: &str, body: &[u8], if_none_match: Option<&str>) -> Response {
    let request = Request {
        method: "POST",
        path,
        body: Some(body),
        if_none_match,
        now: START,
        ..Request::default()
    };
    let settings = Settings::default();
    let response = respond(&settings, Some(plan()), request).expect("the path is the protocol's");
    assert_eq!(respond(&settings, Some(plan()), request).as_ref(), Some(&response));
    let known = if_none_match.is_some() && response.status == 304;
    assert!(known || STATUS.contains(&response.status), "{response:?}");
    response
}

fn said(response: &Response) -> Value {
    serde_json::from_str(&response.body).unwrap_or_else(|why| panic!("{why}: {response:?}"))
}

fn plan() -> &'static Plan {
    static PLAN: OnceLock<Plan> = OnceLock::new();
    PLAN.get_or_init(|| {
        let flag = |rules: Value| {
            json!({"kind": "ops", "variants": {"on": {"a": "ü\"\\\u{1}"}, "off": {}},
                "defaultVariant": "off", "rules": rules})
        };
        let rules = json!([
            {"when": {"attribute": "header.x-plan", "in": ["gold", "7", "true"]}, "serve": "on"},
            {"when": {"attribute": "country", "equals": "CH"}, "unit": "user", "split": {"on": 50, "off": 50}},
            {"ramp": {"variant": "on", "share": 25, "unit": "user"}},
        ]);
        crate::plan(&json!({
            "formatVersion": 1,
            "units": {"user": [{"header": "x-user-id"}], "tenant": [{"jwt": "org"}]},
            "flags": {
                "new": flag(json!([])),
                "theme": flag(json!([{"ramp": {"variant": "on", "share": 50, "unit": "tenant"}}])),
                "cart": flag(rules),
            },
        }))
    })
}
