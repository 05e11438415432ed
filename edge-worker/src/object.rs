//! The Durable Object's events. `worker.js` has its class, which holds nothing but the storage: an
//! instance of the WebAssembly may come to an end, and the object goes on with the next one.

use std::rc::Rc;

use serin_core::gate::Audit;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsValue, handler};
use worker::Env;
use worker::wasm_bindgen_futures::spawn_local;

use crate::batch::Batch;
use crate::entry::{isolate, on_abort};
use crate::evidence;
use crate::host::{self, Storage};
use crate::keeper::{Keeper, Store};
use crate::refresh::{Isolate, KV};

/// Without enough requests for a look, this is when traffic itself is judged. A little later than the core
/// wants, so that it is not woken in vain.
const PATIENCE_MS: u64 = 61_000;
/// When KV is tried again.
const RETRY_MS: u64 = 10_000;
const WEBHOOK_MS: u32 = 5_000;
/// So often is a record sent at most, after 1 s, 2 s, 4 s and so on.
const WEBHOOK_TRIES: u32 = 6;
/// When the object is to be woken, as decimal digits.
const ALARM: &str = "alarm";

/// What every event of the object begins with.
fn begin(env: &Env) -> (Rc<Isolate>, u64) {
    handler::set_on_abort(on_abort);
    let now = host::now_ms();
    (isolate(env, now), now)
}

/// A batch has come from an isolate: what is known of latches, as JSON.
///
/// # Errors
///
/// If the body is no batch, if there is no plan, or if the storage fails.
#[wasm_bindgen(wasm_bindgen_futures = worker::wasm_bindgen_futures, js_sys = worker::js_sys)]
#[allow(unreachable_pub)]
pub async fn flushed(storage: JsValue, env: Env, bytes: Vec<u8>) -> Result<String, JsValue> {
    let (isolate, now) = begin(&env);
    let Some(batch) = Batch::from_bytes(&bytes) else { return Err("not a batch".into()) };
    let Some(active) = isolate.plan_like(&env, Some(&batch.digest), now).await else {
        return Err("there is no plan".into());
    };
    // From here on nothing waits until everything is stored: no other event comes in between.
    let keeper = Keeper(Storage::new(storage));
    let audits = keeper.flushed(&active.plan, &batch, &isolate.known.latches(), now);
    if !batch.tallies.is_empty() {
        arm(&keeper.0, now, now.saturating_add(PATIENCE_MS));
    }
    arm_for_evidence(&keeper.0, now);
    let text = keeper.document().write();
    match keeper.0.failure() {
        Some(thrown) => Err(thrown),
        None => {
            follow(keeper, isolate, env, audits, now);
            Ok(text)
        }
    }
}

/// The moment has come that was asked for.
///
/// # Errors
///
/// If there is no plan, or if the storage fails.
#[wasm_bindgen(wasm_bindgen_futures = worker::wasm_bindgen_futures, js_sys = worker::js_sys)]
#[allow(unreachable_pub)]
pub async fn woken(storage: JsValue, env: Env) -> Result<(), JsValue> {
    let (isolate, now) = begin(&env);
    let Some(active) = isolate.plan_like(&env, None, now).await else {
        return Err("there is no plan".into());
    };
    let keeper = Keeper(Storage::new(storage));
    keeper.0.put(ALARM, b"0");
    let audits = keeper.woken(&active.plan, &isolate.known.latches(), now);
    if keeper.is_watching(&active.plan, now) {
        arm(&keeper.0, now, now.saturating_add(PATIENCE_MS));
    }
    arm_for_evidence(&keeper.0, now);
    match keeper.0.failure() {
        Some(thrown) => Err(thrown),
        None => {
            follow(keeper, isolate, env, audits, now);
            Ok(())
        }
    }
}

/// The state, as JSON.
///
/// # Errors
///
/// If there is no plan, or if the storage fails.
#[wasm_bindgen(wasm_bindgen_futures = worker::wasm_bindgen_futures, js_sys = worker::js_sys)]
#[allow(unreachable_pub)]
pub async fn kept(storage: JsValue, env: Env) -> Result<String, JsValue> {
    let (isolate, now) = begin(&env);
    let Some(active) = isolate.plan_like(&env, None, now).await else {
        return Err("there is no plan".into());
    };
    let keeper = Keeper(Storage::new(storage));
    evidence::sweep(&keeper.0, &active.plan, now);
    arm_for_evidence(&keeper.0, now);
    let state = keeper.state(&active.plan);
    keeper.0.failure().map_or(Ok(state), Err)
}

/// Has the object woken at a moment, unless it is woken earlier anyway.
fn arm(storage: &Storage, now: u64, at: u64) {
    let set = storage.get(ALARM).and_then(|text| String::from_utf8(text).ok()?.parse().ok());
    if set.is_some_and(|set: u64| set > now && set <= at) {
        return;
    }
    storage.put(ALARM, at.to_string().as_bytes());
    storage.set_alarm(at);
}

/// Has the object woken when evidence is to be removed, whether there is traffic then or not.
fn arm_for_evidence(storage: &Storage, now: u64) {
    if let Some(at) = evidence::due(storage) {
        arm(storage, now, at);
    }
}

/// Tells the world, without keeping the isolate that asked from its answer.
fn follow(keeper: Keeper<Storage>, isolate: Rc<Isolate>, env: Env, audits: Vec<Audit>, now: u64) {
    isolate.learn(&keeper.document().write());
    let lines: Vec<String> = audits.iter().map(Audit::to_json).collect();
    for line in &lines {
        host::log("log", line);
    }
    let namespace = host::binding(&env, KV);
    if !namespace.is_undefined() && keeper.unpublished().is_some() {
        arm(&keeper.0, now, now.saturating_add(RETRY_MS));
    }
    spawn_local(async move {
        if !namespace.is_undefined() {
            publish(&keeper, &isolate, &namespace).await;
        }
        let Some(url) = &isolate.settings.webhook else { return };
        // The latches go with it, so that what was received can be served as it is.
        let latches = keeper.document().latches.to_json();
        let rest = latches.strip_prefix('{').unwrap_or("}");
        for line in &lines {
            let record = line.strip_suffix('}').unwrap_or(line);
            tell(url, &format!("{record},{rest}")).await;
        }
    });
}

async fn tell(url: &str, body: &str) {
    for tries in 0..WEBHOOK_TRIES {
        if tries > 0 {
            host::sleep(500_u32.checked_shl(tries).unwrap_or(u32::MAX)).await;
        }
        let Err(thrown) = host::post(url, body, WEBHOOK_MS).await else { return };
        let why = host::why(&thrown);
        host::log("warn", &format!("serin: the webhook took no record: {why}"));
    }
}

/// Writes the latches to KV. While that takes its time there may be newer ones: what was written last is
/// what is there, whichever of two writers comes last.
async fn publish(keeper: &Keeper<Storage>, isolate: &Isolate, namespace: &JsValue) {
    while let Some(text) = keeper.unpublished().filter(|_| keeper.0.failure().is_none()) {
        match host::write_kv(namespace, &isolate.settings.latches_key, &text).await {
            Ok(()) => keeper.set_published(&text),
            Err(thrown) => {
                let why = host::why(&thrown);
                host::log("error", &format!("serin: latches could not be written to KV: {why}"));
                return;
            }
        }
    }
}
