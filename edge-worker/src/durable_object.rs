//! The events of the Durable Object that judges.
//!
//! Its class is in `worker.js` and has only the storage: if the WebAssembly instance traps, the object
//! continues with a new one.

use std::rc::Rc;

use serin_core::gate::Audit;
use serin_core::json;
use serin_judge::{Judge, OutcomeBatch, Store, TakenBatch};
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

/// Handles an isolate's batch, which it has sent at `sent_at` by its own clock (ms since 1970; `NaN` if unknown).
/// Returns the latch document with what was not counted, as JSON.
///
/// # Errors
///
/// If the body is not a batch, or if the storage cannot be read.
#[wasm_bindgen(wasm_bindgen_futures = worker::wasm_bindgen_futures, js_sys = worker::js_sys)]
#[allow(unreachable_pub)]
pub async fn judge_batch(
    storage: JsValue,
    env: Env,
    bytes: Vec<u8>,
    sent_at: f64,
) -> Result<String, JsValue> {
    let (isolate, now) = begin(&env);
    let Some(batch) = OutcomeBatch::from_bytes(&bytes) else {
        return Err("the body is not a batch of outcomes".into());
    };
    let active = isolate.plan_for_judge(&env, Some(&batch.digest), now).await;
    // Nothing is awaited from here until everything is stored, so no other event runs in between.
    let judge = Judge::new(Storage::new(storage));
    let own = host::now_ms();
    let now = isolate.judge_clock.try_borrow_mut().map_or(own, |mut clock| {
        // An isolate of an older version sends no time.
        let sent_at = host::timestamp(sent_at).unwrap_or_else(|| clock.time(own));
        clock.follow(own, sent_at)
    });
    if !batch.tallies.is_empty() {
        wake_at(judge.store(), own, own.saturating_add(Judge::<Storage>::RECHECK_MS));
    }
    // A storage with one owner has no conflicts.
    let Some(active) = active else {
        let dropped = judge.drop_batch(&batch).unwrap_or_default();
        let answer = judge.answer(None, &dropped);
        judge.store().flush();
        return judge.store().failure().map_or(Ok(answer), Err);
    };
    let taken = judge.take_batch(&active.plan, &batch, &isolate.latches.latches(), now);
    let TakenBatch { audits, dropped, .. } = taken.unwrap_or_default();
    let answer = judge.answer(Some(&active.plan), &dropped);
    finish(judge, isolate, env, audits, own)?;
    Ok(answer)
}

/// Handles the alarm: evaluates trials although no batch has arrived.
///
/// # Errors
///
/// If the storage cannot be read.
#[wasm_bindgen(wasm_bindgen_futures = worker::wasm_bindgen_futures, js_sys = worker::js_sys)]
#[allow(unreachable_pub)]
pub async fn judge_alarm(storage: JsValue, env: Env) -> Result<(), JsValue> {
    let (isolate, own) = begin(&env);
    let active = isolate.plan_for_judge(&env, None, own).await;
    let judge = Judge::new(Storage::new(storage));
    judge.store().put(ALARM, b"0");
    let Some(active) = active else {
        wake_at(judge.store(), own, own.saturating_add(Judge::<Storage>::RECHECK_MS));
        judge.store().flush();
        return judge.store().failure().map_or(Ok(()), Err);
    };
    let now = isolate.judge_clock.try_borrow().map_or(own, |clock| clock.time(own));
    let audits = judge.wake(&active.plan, &isolate.latches.latches(), now);
    if judge.needs_recheck(&active.plan, now) {
        wake_at(judge.store(), own, own.saturating_add(Judge::<Storage>::RECHECK_MS));
    }
    finish(judge, isolate, env, audits.unwrap_or_default(), own)
}

/// The judge's state, as JSON.
///
/// # Errors
///
/// If the storage cannot be read.
#[wasm_bindgen(wasm_bindgen_futures = worker::wasm_bindgen_futures, js_sys = worker::js_sys)]
#[allow(unreachable_pub)]
pub async fn judge_status(storage: JsValue, env: Env) -> Result<String, JsValue> {
    let (isolate, now) = begin(&env);
    let active = isolate.plan_for_judge(&env, None, now).await;
    let judge = Judge::new(Storage::new(storage));
    if let Some(active) = &active {
        // A storage with one owner has no conflicts.
        let _ = judge.remove_expired(&active.plan, now);
        wake_for_expiry(&judge, now);
    }
    let status = judge.status(active.as_ref().map(|active| &active.plan));
    judge.store().flush();
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

/// Ends an event: it stores everything. What the storage refuses is answered all the same, and stored later. KV and
/// the webhook follow after the response, so that the isolate that sent a batch does not wait for them.
fn finish(
    judge: Judge<Storage>,
    isolate: Rc<Isolate>,
    env: Env,
    audits: Vec<Audit>,
    now: u64,
) -> Result<(), JsValue> {
    wake_for_expiry(&judge, now);
    let document = judge.document().to_json();
    if let Some(thrown) = judge.store().failure() {
        return Err(thrown);
    }
    if !judge.store().flush() {
        wake_at(judge.store(), now, now.saturating_add(RETRY_MS));
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
    Ok(())
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
                judge.store().flush();
            }
            Err(thrown) => {
                let why = host::thrown_message(&thrown);
                host::log("error", &format!("serin: latches could not be written to KV: {why}"));
                return;
            }
        }
    }
}
