//! Requests for the spec of `examples/envoy`: many users in every cohort, by every unit source, with
//! and without forged fields.

use crate::vector::Case;
use serde_json::json;

/// The number of users at the beginning who are in no cohort: their shares are those of the spec.
pub const N_WITHOUT_COHORT: usize = 400;

/// The query parameter that holds the number of a request. It decides nothing; it identifies the
/// request's line in an access log.
pub const NUMBER_PARAMETER: &str = "number";

/// The requests, in order.
pub fn requests() -> Vec<Case> {
    let mut requests = Vec::new();
    let mut add = |path: &str, fields: &[(&str, &str)]| {
        let number = requests.len();
        requests.push(case(&format!("{path}?{NUMBER_PARAMETER}={number}"), fields));
    };
    for user in 0..N_WITHOUT_COHORT {
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
    requests
}

/// One request from loopback to the example's host.
pub fn case(path: &str, fields: &[(&str, &str)]) -> Case {
    let case = json!({
        "name": path,
        "request": {"path": path, "headers": fields},
        "ip": "127.0.0.1",
        "expect": {},
    });
    serde_json::from_value(case).expect("the case has every required field")
}
