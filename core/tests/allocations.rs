//! Deciding allocates nothing: counted, not promised.

mod counting;

use serin_core::{Decision, Facts, Plan, decide};

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
