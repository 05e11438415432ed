//! Any body gets a response of the protocol, and the same one twice. The bulk response equals the single
//! responses. Without the token the response is 401.

use serde_json::{Value, json};
use serin_conformance::random::START;
use serin_core::Plan;
use serin_ofrep::{Request, Response, Settings, respond};
use std::sync::OnceLock;

const BULK: &str = "/ofrep/v1/evaluate/flags";
const STATUS: [u16; 3] = [200, 400, 404];
const REASONS: [&str; 5] = ["STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED"];

pub(crate) fn holds(bytes: &[u8]) {
    let all = request(BULK, bytes, None);
    let with_token = Settings { token: Some("secret".into()), ..Settings::default() };
    let unauthorized =
        Request { method: "POST", path: BULK, body: Some(bytes), ..Request::default() };
    let response = respond(&with_token, Some(plan()), unauthorized);
    assert_eq!(response.map(|response| response.status), Some(401));
    // Used as a key, the bytes name a flag or get an error code.
    let key = String::from_utf8_lossy(bytes);
    let one = request(&format!("{BULK}/{key}"), b"{}", None);
    let has_error_code = body(&one).get("errorCode").is_some();
    assert_eq!(has_error_code, one.status != 200, "{one:?}");
    let body_of_all = body(&all);
    let Some(flags) = body_of_all["flags"].as_array() else {
        assert_eq!(all.status, 400, "{all:?}");
        return;
    };
    assert_eq!(flags.len(), plan().flags().len());
    for (flag, evaluation) in plan().flags().iter().zip(flags) {
        let one = request(&format!("{BULK}/{}", flag.name()), bytes, None);
        assert_eq!(&body(&one), evaluation);
        check_evaluation(flag.name(), evaluation);
    }
    let tag = all.fields.iter().find(|(name, _)| *name == "etag").expect("there is an ETag");
    assert_eq!(request(BULK, bytes, Some(&tag.1)).status, 304);
}

fn check_evaluation(name: &str, evaluation: &Value) {
    assert_eq!(evaluation["key"], name);
    let has_value = evaluation.get("value").is_some();
    if evaluation.get("errorCode").is_some() {
        assert!(evaluation["errorDetails"].is_string() && !has_value, "{evaluation}");
        return;
    }
    assert!(REASONS.iter().any(|reason| evaluation["reason"] == *reason), "{evaluation}");
    assert!(evaluation["variant"].is_string() && has_value, "{evaluation}");
}

/// The response to a request, which must be the same twice.
fn request(path: &str, body: &[u8], if_none_match: Option<&str>) -> Response {
    let request = Request {
        method: "POST",
        path,
        body: Some(body),
        if_none_match,
        now: START,
        ..Request::default()
    };
    let settings = Settings::default();
    let response =
        respond(&settings, Some(plan()), request).expect("the path belongs to the protocol");
    assert_eq!(respond(&settings, Some(plan()), request).as_ref(), Some(&response));
    let is_not_modified = if_none_match.is_some() && response.status == 304;
    assert!(is_not_modified || STATUS.contains(&response.status), "{response:?}");
    response
}

fn body(response: &Response) -> Value {
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
