//! Random requests.

use super::pool;
use super::{Random, START};
use crate::vector::{Bytes, Case, Expect, Header, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A request for any spec of [`super::spec()`], without an expectation. Its clock is mostly at a time at
/// which a step, a pin or a condition changes, or a millisecond before or after it.
pub fn request(random: &mut Random) -> Case {
    let now = timestamp(random);
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
        id_keys: None,
        name: "by chance".into(),
        request,
        ip: random.chance(80).then(|| (*random.pick(&pool::ADDRESSES[..8])).into()),
        jwt: claims(random),
        cf: BTreeMap::new(),
        now: Some(now),
        entropy: Some(random.entropy().iter().map(|byte| format!("{byte:02x}")).collect()),
        units: BTreeMap::new(),
        expect: Expect::default(),
        skip: BTreeMap::new(),
    }
}

fn timestamp(random: &mut Random) -> u64 {
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

/// A path and a query as on the wire.
fn target(random: &mut Random) -> String {
    let mut target = (*random.pick(&pool::PATHS)).to_string();
    let count = random.below(3);
    for index in 0..count {
        target.push(if index == 0 { '?' } else { '&' });
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
    if random.chance(85) {
        headers.push(field("x-user-id", &user(random)));
    }
    if random.chance(60) {
        let number = random.below(1000);
        headers.push(field("x-tenant-id", &format!("tenant-{number}")));
    }
    for (attribute, kind) in pool::FIELD_ATTRIBUTES {
        let Some(name) = attribute.strip_prefix("header.").filter(|name| *name != "x-user-id")
        else {
            continue;
        };
        // Some fields have two lines, which hosts join.
        for _ in 0..*random.pick(&[0, 0, 1, 1, 1, 1, 2]) {
            let value = random.pick(pool::values(kind));
            headers.push(field(&name.to_lowercase(), value));
        }
    }
    if random.chance(60) {
        headers.push(field("cookie", &cookies(random, now)));
    }
    if random.chance(15) {
        let value = *random.pick(&["canary", "theme=\"dark\"", ""]);
        let forged = ["x-serin-arm", "x-serin-rollout", "x-serin-shadow", "serin-flags", "serin-x"];
        let name = *random.pick(&forged);
        headers.push(field(name, value));
    }
    if random.chance(10) {
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

/// A Cookie field with ids, valid pins, expired and malformed pins, and strings that are not cookies.
fn cookies(random: &mut Random, now: u64) -> String {
    let count = random.between(1, 4);
    let one = |random: &mut Random| match random.below(9) {
        0 => format!("uid=user-{}", random.below(1000)),
        1 => format!("theme={}", random.pick(&["gold", "silver", "\"gold\"", ""])),
        2 => format!("serin_user={:032x}", random.below(1000)),
        3 => "junk".into(),
        _ => {
            let age = *random.pick(&[0, 1, 1799, 1800, 1801, 86_399, 90_000]);
            let started = match random.below(6) {
                0 => "soon".to_string(),
                1 => (now / 1000 + 5).to_string(),
                _ => (now / 1000).saturating_sub(age).to_string(),
            };
            let (rollout, arm) = (random.pick(&pool::ROLLOUTS), random.pick(&pool::ARMS));
            format!("serin_pin_{rollout}={arm}.{started}")
        }
    };
    let cookies: Vec<String> = (0..count).map(|_| one(random)).collect();
    cookies.join("; ")
}

/// The claims of a token: strings, integers and booleans, which every host reads alike.
fn claims(random: &mut Random) -> BTreeMap<String, Value> {
    let mut claims = BTreeMap::new();
    if random.chance(60) {
        return claims;
    }
    claims.insert("sub".into(), json!(user(random)));
    if random.chance(50) {
        claims.insert("age".into(), json!(random.between(0, 100)));
    }
    if random.chance(50) {
        claims.insert("staff".into(), json!(random.chance(50)));
    }
    claims
}

fn field(name: &str, value: &str) -> Header {
    Header::Text(name.into(), value.into())
}
