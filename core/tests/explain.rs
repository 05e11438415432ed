//! The text and JSON of a recorded decision.

use serin_core::gate::{ActiveLatches, Latches};
use serin_core::{Decision, Facts, FixedHost, OverrideKeys, Plan, Recorder, decide, decide_with};

const SPEC: &[u8] = br#"{
  "formatVersion": 1,
  "revision": 42,
  "units": { "user": [ { "header": "x-user-id" } ] },
  "cohorts": {
    "internal": { "any": [ { "attribute": "ip", "cidr": [ "10.0.0.0/8" ] },
                           { "attribute": "header.x-email", "suffix": [ "@corp.example" ] } ] },
    "paying": { "attribute": "header.x-plan", "in": [ "pro", "enterprise" ] }
  },
  "flags": {
    "new-checkout": {
      "variants": { "on": true, "off": false }, "defaultVariant": "off",
      "rules": [ { "name": "dogfood", "when": { "cohort": "internal" }, "serve": "on" },
                 { "name": "ramp", "when": { "cohort": "paying" },
                   "ramp": { "variant": "on", "share": 95 } } ] },
    "theme": { "variants": { "dark": "dark", "light": "light" }, "defaultVariant": "light",
               "rules": [ { "when": { "not": { "attribute": "time", "before": "2026-01-01" } },
                            "split": { "dark": 50, "light": 50 } } ] }
  },
  "rollouts": { "shop": {
    "match": { "hosts": [ "shop.example.com" ], "paths": [ { "prefix": "/feed" } ] },
    "arms": { "stable": { "target": "v1" }, "canary": { "target": "v2" } }, "baseline": "stable",
    "canary": { "rings": [ { "cohort": "internal" } ], "share": 5 } } }
}"#;

const REQUEST: [(&[u8], &[u8]); 5] = [
    (b":method", b"GET"),
    (b":authority", b"shop.example.com"),
    (b":path", b"/feed/hot"),
    (b"x-user-id", b"ada"),
    (b"x-plan", b"pro"),
];

/// 2026-11-21T10:00:00Z.
const NOW: u64 = 1_795_255_200_000;

const TEXT: &str = "\
rollout shop matches host \"shop.example.com\" path \"/feed/hot\"
  rings[0]
    cohort internal: no
      any of: no
        ip cidr 10.0.0.0/8: no, saw missing
        header.x-email suffix \"@corp.example\": no, saw missing
    unit user = \"ada\"
    bucket 13.184 (salt \"shop\") ≥ share 5: out
→ arm stable (SPLIT)
flag new-checkout
  rule dogfood
    cohort internal: no
      any of: no
        ip cidr 10.0.0.0/8: no, saw missing
        header.x-email suffix \"@corp.example\": no, saw missing
  rule ramp
    cohort paying: yes
      header.x-plan in [\"pro\", \"enterprise\"]: yes, saw \"pro\"
    unit user = \"ada\"
    bucket 92.064 (salt \"new-checkout\") < share 95: in
→ variant on = true (SPLIT)
flag theme
  rule rules[0]
    not: yes
      time before 2026-01-01T00:00:00Z: no, saw 2026-11-21T10:00:00Z
    unit user = \"ada\"
    bucket 98.832 (salt \"theme\") in 50 to 100
→ variant light = \"light\" (SPLIT)
";

fn decided() -> (Plan, Decision, Recorder) {
    let plan = Plan::from_json(SPEC).expect("the spec above is good");
    let facts = Facts::of_request(&plan, REQUEST, &mut FixedHost::at(NOW));
    let mut decision = Decision::new(&plan);
    decide(&plan, &facts, &mut decision);
    let (mut observed, mut recorder) = (Decision::new(&plan), Recorder::new());
    decide_with(&plan, &facts, &mut observed, &mut recorder);
    assert_eq!(decision, observed, "an observer changes nothing");
    (plan, decision, recorder)
}

#[test]
fn the_text_follows_the_evaluation() {
    let (_, _, recorder) = decided();
    assert_eq!(recorder.to_text(), TEXT);
}

#[test]
fn the_json_has_a_step_for_each_line() {
    let (_, _, recorder) = decided();
    let steps: serde_json::Value = serde_json::from_str(&recorder.to_json()).expect("JSON");
    let steps = steps.as_array().expect("a list");
    assert_eq!(steps.len(), TEXT.lines().count());
    let share = steps.iter().find(|step| step["step"] == "share").expect("a share");
    assert_eq!(
        (&share["salt"], &share["share"], &share["holds"]),
        (&"shop".into(), &5000.into(), &false.into())
    );
}

#[test]
fn the_record_is_one_line() {
    let (plan, decision, _) = decided();
    let digest = plan.digest();
    assert_eq!(
        decision.record(&plan),
        format!(
            "{{\"revision\":42,\"digest\":\"{digest}\",\
             \"rollout\":{{\"name\":\"shop\",\"arm\":\"stable\",\"reason\":\"SPLIT\",\"unit\":\"user\",\"bucket\":13184,\"share\":5000}},\
             \"flags\":{{\"new-checkout\":{{\"variant\":\"on\",\"reason\":\"SPLIT\",\"rule\":\"ramp\",\"unit\":\"user\",\"bucket\":92064,\"share\":95000}},\
             \"theme\":{{\"variant\":\"light\",\"reason\":\"SPLIT\",\"rule\":\"rules[0]\",\"unit\":\"user\",\"bucket\":98832,\"share\":50000}}}}}}"
        )
    );
}

const FORCED: &str = "\
rollout shop matches host \"shop.example.com\" path \"/feed/hot\"
  override signed by qa
→ arm canary (TARGETING_MATCH)
flag new-checkout
  override signed by qa
→ variant off = false (TARGETING_MATCH)
flag theme
";

/// The token's claims: `{"exp":4102444800,"arms":{"shop":"canary"},"variants":{"new-checkout":"off"}}`.
#[test]
fn an_override_is_recorded_where_it_decides() {
    const KEYS: &[u8] = br#"{"qa":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}"#;
    const TOKEN: &[u8] = b"eyJhbGciOiJIUzI1NiIsImtpZCI6InFhIn0.\
          eyJleHAiOjQxMDI0NDQ4MDAsImFybXMiOnsic2hvcCI6ImNhbmFyeSJ9LCJ2YXJpYW50cyI6eyJuZXctY2hlY2tvdXQiOiJvZmYifX0.\
          vtUkyd-m_EMdI7RO7f9oTp_6mKyZ4kpKgaawqFoT0F4";
    let plan = Plan::from_json(SPEC).expect("the spec above is good");
    let keys = OverrideKeys::from_json(KEYS).expect("good keys");
    let headers = REQUEST.into_iter().chain([(&b"X-Serin-Override"[..], TOKEN)]);
    let mut host = FixedHost { override_keys: Some(&keys), ..FixedHost::at(NOW) };
    let facts = Facts::of_request(&plan, headers, &mut host);
    assert_eq!(facts.override_outcome(), Some(Ok(())));
    let (mut decision, mut recorder) = (Decision::new(&plan), Recorder::new());
    decide_with(&plan, &facts, &mut decision, &mut recorder);
    let text = recorder.to_text();
    assert!(text.starts_with(FORCED), "{text}");
    assert!(recorder.to_json().contains(r#""key":"qa","step":"override""#), "{text}");
    let digest = plan.digest();
    let start = format!(
        "{{\"revision\":42,\"digest\":\"{digest}\",\"override\":\"qa\",\
         \"rollout\":{{\"name\":\"shop\",\"arm\":\"canary\",\"reason\":\"TARGETING_MATCH\"}},"
    );
    assert!(decision.record(&plan).starts_with(&start));
}

/// `DISABLED` has three causes: the spec, an abort, and a host that does not know its aborts yet.
#[test]
fn the_cause_of_disabled_is_told() {
    const SPEC: &[u8] = br#"{
      "formatVersion": 1,
      "units": { "user": [ { "header": "x-user-id" } ] },
      "flags": {
        "aborted": { "variants": { "on": true, "off": false }, "defaultVariant": "off",
                     "rules": [ { "serve": "on" } ] },
        "off": { "variants": { "on": true, "off": false }, "defaultVariant": "off",
                 "state": "disabled" }
      },
      "rollouts": { "shop": {
        "arms": { "stable": { "target": "v1" }, "canary": { "target": "v2" } },
        "baseline": "stable", "canary": { "share": 5 }, "gates": {},
        "onAbort": { "disable": [ "aborted" ] } } }
    }"#;
    let plan = Plan::from_json(SPEC).expect("the spec above is good");
    let latches = |json: &str| Latches::from_json(json.as_bytes()).expect("latches");
    let told = |active: &ActiveLatches| {
        let mut host = FixedHost { latches: Some(active), ..FixedHost::at(NOW) };
        let facts = Facts::of_request(&plan, REQUEST, &mut host);
        let (mut decision, mut recorder) = (Decision::new(&plan), Recorder::new());
        decide_with(&plan, &facts, &mut decision, &mut recorder);
        let text = recorder.to_text();
        assert_eq!(text.matches("(DISABLED)").count(), 3, "{text}");
        text
    };
    let aborted = latches(
        r#"{"latches":[{"rollout":"shop","epoch":0,"abort":{"epoch":0,"at":1,"digest":"0","reason":"errors"}}]}"#,
    );
    let unknown = told(&latches(r#"{"latches":[]}"#).for_plan_incomplete(&plan));
    let waits = "  rollout shop: the host does not know its aborts yet";
    assert_eq!(unknown.matches(waits).count(), 2, "{unknown}");
    let aborted = told(&aborted.for_plan(&plan).expect("a latch counts"));
    assert_eq!(
        aborted.matches("  rollout shop is aborted in epoch 0: errors").count(),
        2,
        "{aborted}"
    );
    assert!(aborted.contains("flag off\n  the spec says state: disabled\n"), "{aborted}");
}
