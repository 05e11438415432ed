//! Clients that choose their ids.

use crate::fixture::{TICK, aborted, equal, plugin, spec};
use serde_json::{Value, json};
use serin_core::{Bucket, Purpose};
use serin_host_sim::{Module, Plugin, StreamInfo};

/// 32 bytes or more in base64url.
const ID_KEY: &str = "YSBzZWNyZXQgdGhhdCBzaWducyB0aGUgYW5vbnltb3VzIGlkcw";

fn spec_with_anonymous_ids(count: &str) -> Value {
    let mut spec = spec(1);
    spec["units"]["user"] = json!([{"anonymous": "serin_id"}]);
    spec["rollouts"]["shop"]["gates"]["count"] = json!(count);
    spec
}

/// Sends a request with a cookie, and ends it with the status of its arm. Returns the arm and the id that the
/// host has minted, as the cookie has it.
fn visit(plugin: &Plugin, cookie: Option<&str>, canary: &str) -> (String, Option<String>) {
    let mut stream = plugin.stream(StreamInfo::new());
    let cookie = cookie.map(|value| format!("serin_id={value}"));
    let mut fields = vec![(":method", "GET"), (":path", "/"), (":authority", "a")];
    fields.extend(cookie.as_deref().map(|cookie| ("cookie", cookie)));
    stream.send_request_headers(fields, true);
    let arm = stream.request_headers().get_str("x-serin-arm").unwrap_or_default().to_owned();
    stream.send_response_headers([(":status", if arm == "canary" { canary } else { "200" })], true);
    let set = stream.response_headers().get_str("set-cookie").map(str::to_owned);
    let minted = set.and_then(|line| Some(line.split_once('=')?.1.split(';').next()?.to_owned()));
    (arm, minted)
}

/// 20 failing requests with chosen ids. They abort a healthy canary, unless only verified units count; a canary
/// that fails for verified units is aborted in both cases.
pub(crate) fn chosen_ids(module: &Module, count: &str) -> Result<(), String> {
    let plugin =
        plugin(module, &spec_with_anonymous_ids(count), &[("SERIN_ID_KEY", ID_KEY)], None)?;
    let mut signed = Vec::new();
    for _ in 0..1000 {
        let (_, minted) = visit(&plugin, None, "200");
        let minted = minted.ok_or("a new client got no id")?;
        visit(&plugin, Some(&minted), "200");
        signed.push(minted);
    }
    equal("length of a signed id", signed[0].len(), 57)?;
    plugin.advance(TICK);
    equal("aborted while healthy", aborted(&plugin), Some(0))?;
    let mut attacks = 0;
    // The attacker knows the ids of the canary: the buckets are no secret.
    for number in 0.. {
        let id = format!("chosen-{number}");
        if Bucket::of(Purpose::Ramp, "shop", &id).number() < 25_000 {
            let (arm, minted) = visit(&plugin, Some(&id), "503");
            equal("arm of a chosen id", (arm.as_str(), minted), ("canary", None))?;
            attacks += 1;
        }
        if attacks == 20 {
            break;
        }
    }
    // An evaluation needs 100 new requests.
    for cookie in &signed[..200] {
        visit(&plugin, Some(cookie), "200");
    }
    plugin.advance(TICK);
    let is_aborted = u64::from(count == "all");
    equal("aborted by chosen ids", aborted(&plugin), Some(is_aborted))?;
    let dropped = plugin.metrics().counter("serin.gate.shop.dropped.unverified");
    equal("dropped", dropped, if count == "all" { 0 } else { 20 })?;
    for cookie in &signed {
        visit(&plugin, Some(cookie), "503");
    }
    plugin.advance(TICK);
    equal("aborted by a canary that fails", aborted(&plugin), Some(1))
}

/// The host calls of a request are the same whether all units count or verified ones, and fewer for the outcome
/// of a unit that does not count.
pub(crate) fn verified_host_calls(module: &Module) -> Result<(), String> {
    let calls = |count: &str, variables: &[(&str, &str)]| -> Result<u64, String> {
        let plugin = plugin(module, &spec_with_anonymous_ids(count), variables, None)?;
        let (_, minted) = visit(&plugin, None, "200");
        let cookie = format!("serin_id={}", minted.ok_or("a new client got no id")?);
        let mut stream = plugin.stream(StreamInfo::new());
        let fields =
            [(":method", "GET"), (":path", "/"), (":authority", "a"), ("cookie", cookie.as_str())];
        stream.send_request_headers(fields, true);
        stream.send_response_headers([(":status", "200")], true);
        stream.finish();
        Ok(stream.stats().host_call_count())
    };
    let key = [("SERIN_ID_KEY", ID_KEY)];
    let all = calls("all", &[])?;
    equal("host calls with a key", calls("all", &key)?, all)?;
    equal("host calls of verified units", calls("verified", &key)?, all)
}
