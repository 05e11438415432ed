//! Requests by chance.

use super::pool;
use super::{Random, START};
use crate::vector::{Bytes, Case, Expect, Header, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A request for any spec of [`super::spec()`]. Its clock is one of the moments at which steps, pins
/// and conditions change, or a millisecond beside it. It expects nothing yet.
pub fn request(random: &mut Random) -> Case {
    let now = moment(random);
    let request = Request {
        method: (*random.pick(&["GET", "GET", "HEAD", "POST"])).into(),
        scheme: (*random.pick(&["http", "https"])).into(),
        authority: (*random.pick(&pool::AUTHORITIES)).into(),
        path: target(random),
        headers: headers(random, now),
    };
    Case {
        token: None,
        latches: None,
        override_keys: None,
        name: "by chance".into(),
        request,
        ip: random.percent(80).then(|| (*random.pick(&pool::ADDRESSES[..8])).into()),
        jwt: claims(random),
        cf: BTreeMap::new(),
        now: Some(now),
        entropy: Some(random.entropy().iter().map(|byte| format!("{byte:02x}")).collect()),
        units: BTreeMap::new(),
        expect: Expect::default(),
        skip: BTreeMap::new(),
    }
}

fn moment(random: &mut Random) -> u64 {
    const MINUTE: u64 = 60_000;
    let minutes = *random.pick(&[0, 10, 30, 40, 60, 70, 90, 100, 120, 150]);
    let before = *random.pick(&[0, 0, 30 * MINUTE, 9 * 60 * MINUTE]);
    let from = START - before + minutes * MINUTE + *random.pick(&[0, 0, 500]);
    match random.below(6) {
        0 => from - 1,
        1 => from + 1,
        2 => from + random.below(3_600_000) as u64,
        3 => from + 400 * 24 * 60 * MINUTE,
        _ => from,
    }
}

/// Path and query as on the wire.
fn target(random: &mut Random) -> String {
    let mut target = (*random.pick(&pool::PATHS)).to_string();
    let count = random.below(3);
    for at in 0..count {
        target.push(if at == 0 { '?' } else { '&' });
        let name = *random.pick(&["ref", "page", "re%66", "x", "ref"]);
        let value = match random.below(5) {
            0 => "",
            1 => "g%6Fld",
            2 => "a+b",
            3 => "%ff",
            _ => random.pick(&pool::NUMBERS),
        };
        target.push_str(&format!("{name}={value}"));
    }
    target
}

fn headers(random: &mut Random, now: u64) -> Vec<Header> {
    let mut headers = Vec::new();
    if random.percent(85) {
        headers.push(text("x-user-id", &user(random)));
    }
    if random.percent(60) {
        let number = random.below(1000);
        headers.push(text("x-tenant-id", &format!("tenant-{number}")));
    }
    for (attribute, kind) in pool::FIELDS {
        let Some(name) = attribute.strip_prefix("header.").filter(|name| *name != "x-user-id")
        else {
            continue;
        };
        // A field in two lines is joined.
        for _ in 0..*random.pick(&[0, 0, 1, 1, 1, 1, 2]) {
            let value = random.pick(pool::values(kind));
            headers.push(text(&name.to_lowercase(), value));
        }
    }
    if random.percent(60) {
        headers.push(text("cookie", &cookies(random, now)));
    }
    if random.percent(15) {
        let value = *random.pick(&["canary", "theme=\"dark\"", ""]);
        let forged = ["x-serin-arm", "x-serin-rollout", "x-serin-shadow", "serin-flags", "serin-x"];
        let name = *random.pick(&forged);
        headers.push(text(name, value));
    }
    if random.percent(10) {
        let mut bytes = random.bytes(12);
        bytes.retain(|byte| !byte.is_ascii_control() && *byte != b' ');
        let name = (*random.pick(&["x-user-id", "x-plan", "cookie", "x-other"])).into();
        headers.push(Header::Bytes(Bytes { name, base64: STANDARD.encode(bytes) }));
    }
    headers
}

fn user(random: &mut Random) -> String {
    match random.below(12) {
        0 => String::new(),
        1 => "Zoë".into(),
        2 => "x".repeat(random.between(1, 300)),
        _ => format!("user-{}", random.below(100_000)),
    }
}

/// A Cookie field with ids, pins that hold, pins that do not, and things that are no cookies.
fn cookies(random: &mut Random, now: u64) -> String {
    let count = random.between(1, 4);
    let one = |random: &mut Random| match random.below(9) {
        0 => format!("uid=user-{}", random.below(1000)),
        1 => format!("theme={}", random.pick(&["gold", "silver", "\"gold\"", ""])),
        2 => format!("serin_user={:032x}", random.below(1000)),
        3 => "junk".into(),
        _ => {
            let age = *random.pick(&[0, 1, 1799, 1800, 1801, 86_399, 90_000]);
            let began = match random.below(6) {
                0 => "soon".to_string(),
                1 => (now / 1000 + 5).to_string(),
                _ => (now / 1000).saturating_sub(age).to_string(),
            };
            let (rollout, arm) = (random.pick(&pool::ROLLOUTS), random.pick(&pool::ARMS));
            format!("serin_pin_{rollout}={arm}.{began}")
        }
    };
    let cookies: Vec<String> = (0..count).map(|_| one(random)).collect();
    cookies.join("; ")
}

/// Claims of a token: texts, whole numbers and booleans, which every host reads alike.
fn claims(random: &mut Random) -> BTreeMap<String, Value> {
    let mut claims = BTreeMap::new();
    if random.percent(60) {
        return claims;
    }
    claims.insert("sub".into(), json!(user(random)));
    if random.percent(50) {
        claims.insert("age".into(), json!(random.between(0, 100)));
    }
    if random.percent(50) {
        claims.insert("staff".into(), json!(random.percent(50)));
    }
    claims
}

fn text(name: &str, value: &str) -> Header {
    Header::Text(name.into(), value.into())
}
