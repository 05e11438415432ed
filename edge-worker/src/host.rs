//! The only file that calls the host: what `host.js` offers, typed.

use std::cell::RefCell;

use serin_judge::{Conflict, Store};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::Env;
use worker::js_sys::Promise;
use worker::wasm_bindgen_futures::JsFuture;
pub(crate) use worker::web_sys::{Request, Response};

use crate::facts::Platform;

/// Something thrown on the other side; `host.js` has the words for it.
pub(crate) type Thrown = JsValue;

#[wasm_bindgen(module = "/src/jwt.js")]
extern "C" {
    #[wasm_bindgen(js_name = verified)]
    fn verified_promise(token: &str, keys: &str, now: f64) -> Promise;
}

#[wasm_bindgen(module = "/src/host.js")]
extern "C" {
    /// Method, URL, then name and value of each header field, a line each.
    pub(crate) fn head(request: &Request) -> String;
    #[wasm_bindgen(js_name = hasBody)]
    pub(crate) fn has_body(request: &Request) -> bool;
    #[wasm_bindgen(js_name = clientField)]
    fn client_field(request: &Request, name: &str) -> Option<String>;
    /// The spec that was bundled with the Worker.
    pub(crate) fn bundled() -> Option<String>;
    /// A variable or secret.
    pub(crate) fn variable(env: &Env, name: &str) -> Option<String>;
    /// A binding to a service or a KV namespace; undefined if there is none.
    pub(crate) fn binding(env: &Env, name: &str) -> JsValue;
    #[wasm_bindgen(catch, js_name = readKv)]
    fn read_kv_promise(namespace: &JsValue, key: &str, ttl: u32) -> Result<Promise, Thrown>;
    #[wasm_bindgen(catch, js_name = writeKv)]
    fn write_kv_promise(namespace: &JsValue, key: &str, text: &str) -> Result<Promise, Thrown>;
    #[wasm_bindgen(js_name = askJudge)]
    fn ask_judge_promise(namespace: &JsValue, batch: Option<&[u8]>) -> Promise;
    #[wasm_bindgen(js_name = post)]
    fn post_promise(url: &str, text: &str, milliseconds: u32) -> Promise;
    #[wasm_bindgen(js_name = sleep)]
    fn sleep_promise(milliseconds: u32) -> Promise;
    #[wasm_bindgen(catch)]
    fn stored(storage: &JsValue, key: &str) -> Result<Option<Vec<u8>>, Thrown>;
    #[wasm_bindgen(catch)]
    fn store(storage: &JsValue, key: &str, value: &[u8]) -> Result<(), Thrown>;
    #[wasm_bindgen(catch)]
    fn unstore(storage: &JsValue, key: &str) -> Result<(), Thrown>;
    #[wasm_bindgen(catch, js_name = setAlarm)]
    fn set_alarm(storage: &JsValue, at: f64) -> Result<(), Thrown>;
    #[wasm_bindgen(catch, js_name = forward)]
    fn forward_promise(
        service: &JsValue,
        request: &Request,
        url: Option<&str>,
        changes: &str,
    ) -> Result<Promise, Thrown>;
    #[wasm_bindgen(catch, js_name = mirror)]
    fn mirror_promise(
        service: &JsValue,
        request: &Request,
        url: Option<&str>,
        changes: &str,
        buffered: bool,
        milliseconds: u32,
    ) -> Result<Promise, Thrown>;
    /// The same response with header fields added.
    #[wasm_bindgen(js_name = withFields)]
    pub(crate) fn with_fields(response: &Response, fields: &str) -> Response;
    /// A response of our own.
    pub(crate) fn respond(status: u16, fields: &str, body: &str) -> Response;
    #[wasm_bindgen(js_name = readText)]
    fn read_text_promise(request: &Request, limit: u32) -> Promise;
    #[wasm_bindgen(js_name = discard)]
    fn discard_promise(response: &Response) -> Promise;
    #[wasm_bindgen(js_name = digest)]
    fn digest_promise(response: &Response) -> Promise;
    #[wasm_bindgen(js_name = cached)]
    fn cached_promise(key: &str) -> Promise;
    #[wasm_bindgen(js_name = keep)]
    fn keep_promise(key: &str, response: &Response) -> Promise;
    #[wasm_bindgen(js_name = responseField)]
    pub(crate) fn response_field(response: &Response, name: &str) -> Option<String>;
    fn now() -> f64;
    fn describe(thrown: &Thrown) -> String;
    /// Whether a request has gone to a target.
    #[wasm_bindgen(js_name = wasSent)]
    pub(crate) fn was_sent(request: &Request) -> bool;
    /// Tells every request that waits that this instance is gone.
    pub(crate) fn aborted();
    /// Writes a line to the Worker's log.
    pub(crate) fn log(level: &str, text: &str);
}

/// What was thrown, as text for people.
pub(crate) fn why(thrown: &Thrown) -> String {
    describe(thrown)
}

/// Ms since 1970. The platform's clock stands still while a request computes.
pub(crate) fn now_ms() -> u64 {
    let now = now();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    if now.is_finite() && now >= 0.0 { now as u64 } else { 0 }
}

/// A KV key being read, from the moment on that it is made.
pub(crate) struct Reading(Result<JsFuture, Thrown>);

impl Reading {
    pub(crate) fn new(namespace: &JsValue, key: &str, ttl: u32) -> Reading {
        Reading(read_kv_promise(namespace, key, ttl).map(JsFuture::from))
    }

    /// Its text; `None` if there is none.
    pub(crate) async fn text(self) -> Result<Option<String>, Thrown> {
        Ok(self.0?.await?.as_string())
    }
}

/// Writes a KV key.
pub(crate) async fn write_kv(namespace: &JsValue, key: &str, text: &str) -> Result<(), Thrown> {
    JsFuture::from(write_kv_promise(namespace, key, text)?).await.map(|_| ())
}

/// What the object that judges answers to a batch; without one, what its state is.
pub(crate) async fn ask_judge(namespace: &JsValue, batch: Option<&[u8]>) -> Result<String, Thrown> {
    Ok(JsFuture::from(ask_judge_promise(namespace, batch)).await?.as_string().unwrap_or_default())
}

/// Sends a text to a URL and wants nothing but a good status.
pub(crate) async fn post(url: &str, text: &str, milliseconds: u32) -> Result<(), Thrown> {
    JsFuture::from(post_promise(url, text, milliseconds)).await.map(|_| ())
}

/// Waits.
pub(crate) async fn sleep(milliseconds: u32) {
    let _ = JsFuture::from(sleep_promise(milliseconds)).await;
}

/// A Durable Object's storage. After a failure nothing more is written: what would be may rest on what could
/// not be read.
pub(crate) struct Storage {
    storage: JsValue,
    failure: RefCell<Option<Thrown>>,
}

impl Storage {
    pub(crate) fn new(storage: JsValue) -> Storage {
        Storage { storage, failure: RefCell::default() }
    }

    /// Sets the time of the object's alarm, in ms since 1970, in place of the previous one.
    pub(crate) fn set_alarm(&self, at: u64) {
        #[allow(clippy::cast_precision_loss)]
        self.tried(set_alarm(&self.storage, at as f64));
    }

    /// Sets a key.
    pub(crate) fn put(&self, key: &str, value: &[u8]) {
        if self.failure.borrow().is_none() {
            self.tried(store(&self.storage, key, value));
        }
    }

    /// What was thrown first, if anything was.
    pub(crate) fn failure(&self) -> Option<Thrown> {
        self.failure.borrow().clone()
    }

    fn tried<T>(&self, outcome: Result<T, Thrown>) -> Option<T> {
        let failed = |thrown| {
            self.failure.borrow_mut().get_or_insert(thrown);
        };
        outcome.map_err(failed).ok()
    }
}

impl Store for Storage {
    /// The object is the only owner of its storage.
    type Version = ();

    fn get(&self, key: &str) -> (Option<Vec<u8>>, ()) {
        (self.tried(stored(&self.storage, key)).flatten(), ())
    }

    fn set(&self, key: &str, value: &[u8], (): &()) -> Result<(), Conflict> {
        self.put(key, value);
        Ok(())
    }

    fn remove(&self, key: &str) {
        if self.failure.borrow().is_none() {
            self.tried(unstore(&self.storage, key));
        }
    }
}

/// Sends a request, with its header fields changed, to a service or to another URL.
pub(crate) async fn forward(
    service: &JsValue,
    request: &Request,
    url: Option<&str>,
    changes: &str,
) -> Result<Response, Thrown> {
    let sent = forward_promise(service, request, url, changes)?;
    JsFuture::from(sent).await.map(JsCast::unchecked_into)
}

/// A copy of a request on its way; it goes off at once, not when it is first waited for.
pub(crate) struct Mirrored(Promise);

/// Sends a copy of a request that keeps its own time limit.
pub(crate) fn mirror(
    service: &JsValue,
    request: &Request,
    url: Option<&str>,
    changes: &str,
    buffered: bool,
    milliseconds: u32,
) -> Result<Mirrored, Thrown> {
    mirror_promise(service, request, url, changes, buffered, milliseconds).map(Mirrored)
}

impl Mirrored {
    /// The answer to the copy.
    pub(crate) async fn answer(self) -> Result<Response, Thrown> {
        JsFuture::from(self.0).await.map(JsCast::unchecked_into)
    }
}

/// The payload of a token whose signature is good.
pub(crate) async fn verified(token: &str, keys: &str, now: u64) -> Result<Option<String>, Thrown> {
    #[allow(clippy::cast_precision_loss)]
    let promise = verified_promise(token, keys, now as f64);
    Ok(JsFuture::from(promise).await?.as_string())
}

/// A body as text; `None` if it is longer than the limit.
pub(crate) async fn read_text(request: &Request, limit: u32) -> Result<Option<String>, Thrown> {
    Ok(JsFuture::from(read_text_promise(request, limit)).await?.as_string())
}

/// Lets go of a body that nobody wants.
pub(crate) async fn discard(response: &Response) {
    let _ = JsFuture::from(discard_promise(response)).await;
}

/// A digest of a body, which is used up.
pub(crate) async fn digest(response: &Response) -> Result<String, Thrown> {
    Ok(JsFuture::from(digest_promise(response)).await?.as_string().unwrap_or_default())
}

/// What the cache keeps under a key.
pub(crate) async fn cached(key: &str) -> Option<Response> {
    let found = JsFuture::from(cached_promise(key)).await.ok()?;
    (!found.is_undefined()).then(|| found.unchecked_into())
}

/// Keeps a response under a key, as long as its own fields allow.
pub(crate) async fn keep(key: &str, response: &Response) -> Result<(), Thrown> {
    JsFuture::from(keep_promise(key, response)).await.map(|_| ())
}

impl Platform for Request {
    fn client_field(&self, name: &str) -> Option<String> {
        client_field(self, name)
    }

    fn entropy(&self) -> Option<[u8; 16]> {
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes).ok()?;
        Some(bytes)
    }
}
