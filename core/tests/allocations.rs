//! A decision allocates nothing, as a counting allocator shows.

mod counting;

use serin_core::{Decision, Facts, OverrideKeys, Plan, Timestamp, decide};

const SPEC: &[u8] = br#"{
  "formatVersion": 1,
  "units": { "user": [ { "header": "x-user-id" } ], "tenant": [ { "header": "x-tenant" } ] },
  "cohorts": {
    "staff": { "any": [ { "attribute": "ip", "cidr": [ "10.0.0.0/8" ] },
                        { "attribute": "header.x-email", "suffix": "@corp.example" } ] },
    "modern": { "all": [ { "attribute": "header.x-app", "semver": ">=2.0.0-rc.1 <3" },
                         { "not": { "attribute": "header.x-os", "glob": "win*s ?" } },
                         { "attribute": "header.x-age", "gte": 18, "lt": 100.5 },
                         { "attribute": "header.x-since", "after": "2020-01-01" } ] }
  },
  "flags": {
    "a": { "variants": { "on": true, "off": false }, "defaultVariant": "off",
           "rules": [ { "when": { "cohort": "staff" }, "serve": "on" },
                      { "when": { "cohort": "modern" }, "split": { "on": 50, "off": 50 }, "unit": "user" } ] },
    "b": { "variants": { "x": "1", "y": "2", "z": "3" }, "defaultVariant": "x", "deliver": { "paths": [ "/shop" ] },
           "rules": [ { "ramp": { "variant": "y", "share": 12.5, "unit": "tenant" } },
                      { "split": { "x": 20, "y": 30, "z": 50 }, "unit": "user" } ] },
    "c": { "variants": { "on": true, "off": false }, "defaultVariant": "off", "deliver": { "paths": [ "/shop/cart" ] } }
  },
  "rollouts": { "shop": {
    "match": { "hosts": [ "*.example.com" ], "paths": [ "/shop" ] }, "unit": "user",
    "arms": { "stable": { "target": "v1" }, "canary": { "target": "v2" }, "dark": { "target": "v3" } },
    "baseline": "stable",
    "canary": { "arm": "canary", "rings": [ { "cohort": "staff" } ], "share": 30 },
    "shadow": { "arm": "dark", "percent": 50 } } }
}"#;

#[test]
fn deciding_allocates_nothing() {
    let plan = Plan::from_json(SPEC).expect("the spec above is good");
    let mut decision = Decision::new(&plan);
    let long = "u".repeat(10_000);
    for user in ["", "ada", "日本語", long.as_str()] {
        let request: [(&[u8], &[u8]); 9] = [
            (b":method", b"GET"),
            (b":authority", b"eu.example.com"),
            (b":path", b"/shop/cart"),
            (b"x-user-id", user.as_bytes()),
            (b"x-email", b"ada@corp.example.org"),
            (b"x-app", b"2.0.0-rc.1.very.long.prerelease"),
            (b"x-os", b"windows 11 pro"),
            (b"x-age", b"42.000"),
            (b"x-since", b"2024-02-29T12:00:00+01:00"),
        ];
        let facts = Facts::gather(&plan, request);
        let count = counting::allocations(|| decide(&plan, &facts, &mut decision));
        assert_eq!(count, 0, "user {user:.10}");
        assert_eq!(decision.flags().len(), 3);
        assert!(decision.arm(&plan).is_some());
    }
}

/// The token's claims: `{"exp":4102444800,"arms":{"shop":"dark"},"variants":{"a":"on","b":"z"}}`.
#[test]
fn deciding_by_an_override_allocates_nothing() {
    const KEYS: &[u8] = br#"{"qa":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}"#;
    const TOKEN: &[u8] = b"eyJhbGciOiJIUzI1NiIsImtpZCI6InFhIn0.\
          eyJleHAiOjQxMDI0NDQ4MDAsImFybXMiOnsic2hvcCI6ImRhcmsifSwidmFyaWFudHMiOnsiYSI6Im9uIiwiYiI6InoifX0.\
          LoL-H7BLbsa_oD3Zf10ktl3npW33bLq025ID-oP9jlk";
    let plan = Plan::from_json(SPEC).expect("the spec above is good");
    let keys = OverrideKeys::from_json(KEYS).expect("good keys");
    let mut decision = Decision::new(&plan);
    let request: [(&[u8], &[u8]); 3] =
        [(b":authority", b"eu.example.com"), (b":path", b"/shop/cart"), (b"x-user-id", b"ada")];
    let mut facts = Facts::gather(&plan, request);
    let now = Timestamp::parse("2026-11-21").expect("a date");
    let forced = keys.verify(TOKEN, "eu.example.com", now).expect("a good token");
    facts.force(&plan, &forced).expect("names that the spec has");
    let count = counting::allocations(|| decide(&plan, &facts, &mut decision));
    assert_eq!(count, 0);
    assert_eq!((decision.arm(&plan), decision.forced_by()), (Some(("shop", "dark")), Some("qa")));
}
