//! The protocol, request by request.

use serin_core::Plan;
use serin_core::gate::Latches;
use serin_ofrep::{Request, Response, Settings, respond};

fn plan() -> Plan {
    Plan::from_json(
        br#"{"formatVersion":1,"revision":7,
        "units":{"user":[{"header":"x-user-id"}]},
        "flags":{
          "off":{"kind":"ops","state":"disabled","variants":{"on":true,"off":false},"defaultVariant":"off"},
          "plan-text":{"kind":"ops","variants":{"a":"x\"y","b":"z"},"defaultVariant":"b",
            "rules":[{"name":"pro","when":{"attribute":"header.x-plan","equals":"pro"},"serve":"a"}]},
          "share":{"kind":"ops","variants":{"on":{"size":2},"off":{"size":1}},"defaultVariant":"off",
            "rules":[{"name":"all","unit":"user","split":{"on":100,"off":0}}]}}}"#,
    )
    .unwrap()
}

fn ask(path: &str, body: &str) -> Response {
    let request =
        Request { method: "POST", path, body: Some(body.as_bytes()), ..Request::default() };
    respond(&Settings::default(), Some(&plan()), request).unwrap()
}

const ALL: &str = "/ofrep/v1/evaluate/flags";

#[test]
fn one_flag() {
    for (key, context, status, body) in [
        (
            "plan-text",
            r#"{"header.x-plan":"pro"}"#,
            200,
            r#"{"key":"plan-text","reason":"TARGETING_MATCH","variant":"a","value":"x\"y","metadata":{"revision":7}}"#,
        ),
        (
            "plan-text",
            "{}",
            200,
            r#"{"key":"plan-text","reason":"DEFAULT","variant":"b","value":"z","metadata":{"revision":7}}"#,
        ),
        (
            "off",
            "{}",
            200,
            r#"{"key":"off","reason":"DISABLED","variant":"off","value":false,"metadata":{"revision":7}}"#,
        ),
        (
            "share",
            r#"{"targetingKey":"ada"}"#,
            200,
            r#"{"key":"share","reason":"SPLIT","variant":"on","value":{"size":2},"metadata":{"revision":7}}"#,
        ),
        (
            "share",
            "{}",
            400,
            r#"{"key":"share","errorCode":"TARGETING_KEY_MISSING","errorDetails":"the context has no unit to choose a variant for: set targetingKey"}"#,
        ),
        (
            "no%22%20flag",
            "{}",
            404,
            r#"{"key":"no\" flag","errorCode":"FLAG_NOT_FOUND","errorDetails":"there is no flag no\" flag"}"#,
        ),
    ] {
        let response = ask(&format!("{ALL}/{key}"), &format!(r#"{{"context":{context}}}"#));
        assert_eq!((response.status, response.body.as_str()), (status, body), "{key} {context}");
    }
}

#[test]
fn bad_bodies_say_why() {
    for (body, code) in [
        ("{", "PARSE_ERROR"),
        ("[]", "PARSE_ERROR"),
        (r#"{"context":[]}"#, "INVALID_CONTEXT"),
        (r#"{"context":{"targetingKey":7}}"#, "INVALID_CONTEXT"),
    ] {
        for path in [ALL.to_owned(), format!("{ALL}/off")] {
            let response = ask(&path, body);
            assert_eq!(response.status, 400, "{body}");
            assert!(
                response.body.contains(&format!("\"errorCode\":\"{code}\"")),
                "{}",
                response.body
            );
            assert_eq!(response.body.contains("\"key\":\"off\""), path.ends_with("off"));
        }
    }
    let request = Request { method: "POST", path: ALL, body: None, ..Request::default() };
    assert_eq!(respond(&Settings::default(), Some(&plan()), request).unwrap().status, 413);
}

#[test]
fn all_flags_carry_an_entity_tag() {
    let first = ask(ALL, "");
    assert_eq!(first.status, 200);
    assert_eq!(first.body.matches("\"key\":").count(), 3);
    let tag = &first.fields.iter().find(|(name, _)| *name == "etag").unwrap().1;
    let again = |tags: &str, body: &str| {
        let request = Request {
            method: "POST",
            path: ALL,
            body: Some(body.as_bytes()),
            if_none_match: Some(tags),
            ..Request::default()
        };
        respond(&Settings::default(), Some(&plan()), request).unwrap()
    };
    assert_eq!(again(tag, "").status, 304);
    assert_eq!(again(tag, "").body, "");
    assert_eq!(again(&format!("\"x\", W/{tag}"), "").status, 304);
    assert_eq!(again("\"x\"", "").status, 200);
    assert_eq!(again(tag, r#"{"context":{"header.x-plan":"pro"}}"#).status, 200);
}

#[test]
fn paths_methods_and_tokens() {
    let settings = Settings {
        prefix: "/flags/".into(),
        origins: Some("https://a.example, https://b.example".into()),
        token: Some("secret".into()),
    };
    let path = "/flags/ofrep/v1/evaluate/flags";
    let ask = |request: Request<'_>| respond(&settings, None, request);
    let good = Request { method: "POST", path, body: Some(b""), ..Request::default() };
    let status = |request: Request<'_>| ask(request).unwrap().status;
    assert_eq!(ask(Request { path: ALL, ..good }), None);
    assert_eq!(ask(Request { path: "/flags/ofrep/v1/evaluate/flagship", ..good }), None);
    assert_eq!(status(good), 401);
    assert_eq!(status(Request { authorization: Some("Bearer wrong!"), ..good }), 401);
    assert_eq!(status(Request { authorization: Some("bearer secret"), ..good }), 200);
    assert_eq!(status(Request { api_key: Some("secret"), ..good }), 200);
    assert_eq!(status(Request { method: "GET", ..good }), 405);
    let preflight = Request { method: "OPTIONS", origin: Some("https://b.example"), ..good };
    let response = ask(preflight).unwrap();
    let field =
        |name| response.fields.iter().find(|(known, _)| *known == name).map(|(_, v)| v.as_str());
    assert_eq!(response.status, 204);
    assert_eq!(field("access-control-allow-origin"), Some("https://b.example"));
    assert_eq!(field("access-control-allow-methods"), Some("POST, OPTIONS"));
    assert_eq!(field("vary"), Some("origin"));
    let other = Request { origin: Some("https://c.example"), ..preflight };
    assert_eq!(ask(other).unwrap().fields, []);
}

#[test]
fn flags_that_an_abort_turns_off_are_off() {
    let plan = Plan::from_json(
        br#"{"formatVersion":1,"revision":7,
        "flags":{"checkout":{"kind":"ops","variants":{"on":true,"off":false},"defaultVariant":"off",
          "rules":[{"name":"all","serve":"on"}]}},
        "rollouts":{"web":{"arms":{"a":{"target":"a"},"b":{"target":"b"}},"baseline":"a",
          "canary":{"share":50},"unit":"user","onAbort":{"disable":["checkout"]}}},
        "units":{"user":[{"header":"x-user-id"}]}}"#,
    )
    .unwrap();
    let latches =
        br#"{"latches":[{"rollout":"web","abort":{"epoch":0,"at":1,"digest":"d","reason":"r"}}]}"#;
    let latches = Latches::from_json(latches).unwrap().for_plan(&plan);
    let path = "/ofrep/v1/evaluate/flags/checkout";
    let open = Request { method: "POST", path, body: Some(b"{}"), ..Request::default() };
    let aborted = Request { latches: latches.as_ref(), ..open };
    for (request, said) in [
        (open, r#""reason":"TARGETING_MATCH","variant":"on","value":true"#),
        (aborted, r#""reason":"DISABLED","variant":"off","value":false"#),
    ] {
        let body = respond(&Settings::default(), Some(&plan), request).unwrap().body;
        assert!(body.contains(said), "{body}");
    }
}
