//! Requests as a busy day brings them, for the example's spec: many users in every cohort, by every
//! unit source, with and without forged fields.

use crate::vector::Case;
use serde_json::json;

/// The first requests are of so many users in no cohort, so they show the shares.
pub const PLAIN: usize = 400;

/// Decides nothing, but makes every request's line in an access log its own.
pub const NUMBER: &str = "number";

/// The requests, in order; each carries its number in the query.
pub fn requests() -> Vec<Case> {
    let mut crowd = Vec::new();
    let mut add = |path: &str, fields: &[(&str, &str)]| {
        let number = crowd.len();
        crowd.push(case(&format!("{path}?{NUMBER}={number}"), fields));
    };
    for user in 0..PLAIN {
        add("/", &[("x-user-id", &format!("user-{user}"))]);
    }
    for user in 0..40 {
        let id = format!("uid=user-{user}");
        add("/basket", &[("cookie", &id)]);
        add("/", &[("x-user-id", &format!("Zoë-{user}"))]);
        add("/checkout/pay", &[("x-plan", "enterprise"), ("x-tenant-id", &id), ("cookie", &id)]);
        add("/", &[]);
    }
    for user in 0..20 {
        let id = format!("staff-{user}");
        add("/checkout", &[("x-user-id", &id), ("x-email", "ada@corp.example")]);
        add("/", &[("x-user-id", &id), ("x-serin-arm", "canary"), ("serin-flags", "theme=1")]);
    }
    crowd
}

/// One request from loopback to the example's host.
pub fn case(path: &str, fields: &[(&str, &str)]) -> Case {
    let case = json!({
        "name": path,
        "request": {"path": path, "headers": fields},
        "ip": "127.0.0.1",
        "expect": {},
    });
    serde_json::from_value(case).expect("a case is made of its parts")
}
