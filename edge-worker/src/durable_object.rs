//! The events of the Durable Object that judges.
//!
//! Its class is in `worker.js` and has only the storage: if the WebAssembly instance traps, the object
//! continues with a new one.

use std::rc::Rc;

use serin_core::gate::Audit;
use serin_core::json;
use serin_judge::{Judge, OutcomeBatch, Store};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsValue, handler};
use worker::Env;
use worker::wasm_bindgen_futures::spawn_local;

use crate::entry::{isolate, on_abort};
use crate::host::{self, Storage};
use crate::isolate::{Isolate, KV_BINDING};

/// The time between a failed write to KV and the next one, in ms.
const RETRY_MS: u64 = 10_000;
/// The time limit of a request to the webhook, in ms.
const WEBHOOK_MS: u32 = 5_000;
/// How often a record is sent until it is given up. The tries follow after 1 s, 2 s, 4 s and so on.
const MAX_WEBHOOK_TRIES: u32 = 6;
/// The key of the time of the next alarm, in ms since 1970, in decimal digits.
const ALARM: &str = "alarm";

/// Begins an event of the object.
fn begin(env: &Env) -> (Rc<Isolate>, u64) {
    handler::set_on_abort(on_abort);
    let now = host::now_ms();
    (isolate(env, now), now)
}

/// Handles an isolate's batch. Returns the latch document, as JSON.
///
/// # Errors
///
/// If the body is not a batch, if there is no plan, or if the storage fails.
#[wasm_bindgen(wasm_bindgen_futures = worker::wasm_bindgen_futures, js_sys = worker::js_sys)]
#[allow(unreachable_pub)]
pub async fn judge_batch(storage: JsValue, env: Env, bytes: Vec<u8>) -> Result<String, JsValue> {
    let (isolate, now) = begin(&env);
    let Some(batch) = OutcomeBatch::from_bytes(&bytes) else {
        return Err("the body is not a batch of outcomes".into());
    };
    let Some(active) = isolate.plan_for_judge(&env, Some(&batch.digest), now).await else {
        return Err("there is no plan".into());
    };
    // Nothing is awaited from here until everything is stored, so no other event runs in between.
    let judge = Judge::new(Storage::new(storage));
    let audits = judge.take_batch(&active.plan, &batch, &isolate.latches.latches(), now);
    if !batch.tallies.is_empty() {
        wake_at(judge.store(), now, now.saturating_add(Judge::<Storage>::RECHECK_MS));
    }
    finish(judge, isolate, env, audits.unwrap_or_default(), now)
}

/// Handles the alarm: evaluates trials although no batch has arrived.
///
/// # Errors
///
/// If there is no plan, or if the storage fails.
#[wasm_bindgen(wasm_bindgen_futures = worker::wasm_bindgen_futures, js_sys = worker::js_sys)]
#[allow(unreachable_pub)]
pub async fn judge_alarm(storage: JsValue, env: Env) -> Result<(), JsValue> {
    let (isolate, now) = begin(&env);
    let Some(active) = isolate.plan_for_judge(&env, None, now).await else {
        return Err("there is no plan".into());
    };
    let judge = Judge::new(Storage::new(storage));
    judge.store().put(ALARM, b"0");
    let audits = judge.wake(&active.plan, &isolate.latches.latches(), now);
    if judge.needs_recheck(&active.plan, now) {
        wake_at(judge.store(), now, now.saturating_add(Judge::<Storage>::RECHECK_MS));
    }
    finish(judge, isolate, env, audits.unwrap_or_default(), now).map(drop)
}

/// The judge's state, as JSON.
///
/// # Errors
///
/// If there is no plan, or if the storage fails.
#[wasm_bindgen(wasm_bindgen_futures = worker::wasm_bindgen_futures, js_sys = worker::js_sys)]
#[allow(unreachable_pub)]
pub async fn judge_status(storage: JsValue, env: Env) -> Result<String, JsValue> {
    let (isolate, now) = begin(&env);
    let Some(active) = isolate.plan_for_judge(&env, None, now).await else {
        return Err("there is no plan".into());
    };
    let judge = Judge::new(Storage::new(storage));
    // A storage with one owner has no conflicts.
    let _ = judge.remove_expired(&active.plan, now);
    wake_for_expiry(&judge, now);
    let status = judge.status(&active.plan);
    judge.store().failure().map_or(Ok(status), Err)
}

/// Wakes the object at a time, unless an earlier alarm is set.
fn wake_at(storage: &Storage, now: u64, at: u64) {
    let next = storage.get(ALARM).0.and_then(|text| String::from_utf8(text).ok()?.parse().ok());
    if next.is_some_and(|next: u64| next > now && next <= at) {
        return;
    }
    storage.put(ALARM, at.to_string().as_bytes());
    storage.set_alarm(at);
}

/// Wakes the object when evidence expires, so that it is removed without traffic, too.
fn wake_for_expiry(judge: &Judge<Storage>, now: u64) {
    if let Some(at) = judge.next_expiry() {
        wake_at(judge.store(), now, at);
    }
}

/// Ends an event: it fails unless everything is stored. KV and the webhook follow after the response, so that
/// the isolate that sent a batch does not wait for them.
fn finish(
    judge: Judge<Storage>,
    isolate: Rc<Isolate>,
    env: Env,
    audits: Vec<Audit>,
    now: u64,
) -> Result<String, JsValue> {
    wake_for_expiry(&judge, now);
    let document = judge.document().to_json();
    if let Some(thrown) = judge.store().failure() {
        return Err(thrown);
    }
    isolate.merge_latches(&document);
    for audit in &audits {
        host::log("log", &audit.to_json());
    }
    let namespace = host::binding(&env, KV_BINDING);
    if !namespace.is_undefined() && judge.unpublished().is_some() {
        wake_at(judge.store(), now, now.saturating_add(RETRY_MS));
    }
    spawn_local(async move {
        if !namespace.is_undefined() {
            publish(&judge, &isolate, &namespace).await;
        }
        let Some(url) = &isolate.settings.webhook else { return };
        // The latches go with each record, so that a receiver can serve the message as latches.
        let latches = judge.document().latches;
        for audit in &audits {
            let body = json::object(|object| {
                audit.write(object);
                latches.write(object);
            });
            post(url, &body).await;
        }
    });
    Ok(document)
}

/// Sends an audit record to the webhook until it is confirmed.
async fn post(url: &str, body: &str) {
    for tries in 0..MAX_WEBHOOK_TRIES {
        if tries > 0 {
            host::sleep(500_u32.checked_shl(tries).unwrap_or(u32::MAX)).await;
        }
        let Err(thrown) = host::post(url, body, WEBHOOK_MS).await else { return };
        let why = host::thrown_message(&thrown);
        host::log("warn", &format!("serin: the webhook did not confirm a record: {why}"));
    }
}

/// Writes the latches to KV, and again if they have changed meanwhile. So the last of several writers leaves
/// the newest document.
async fn publish(judge: &Judge<Storage>, isolate: &Isolate, namespace: &JsValue) {
    while let Some(document) = judge.unpublished().filter(|_| judge.store().failure().is_none()) {
        match host::write_kv(namespace, &isolate.settings.latches_key, &document).await {
            Ok(()) => {
                // A storage with one owner has no conflicts.
                let _ = judge.set_published(&document);
            }
            Err(thrown) => {
                let why = host::thrown_message(&thrown);
                host::log("error", &format!("serin: latches could not be written to KV: {why}"));
                return;
            }
        }
    }
}
