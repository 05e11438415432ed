//! The only file that calls the host: the functions of `host.js` and `jwt.js`, with types.

use std::cell::RefCell;
use std::pin::Pin;

use serin_judge::{Conflict, Store};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::Promise;
use worker::wasm_bindgen_futures::{JsFuture, future_to_promise};
pub(crate) use worker::web_sys::{Request, Response};
use worker::{Context, Env};

use crate::facts::Platform;

/// A value that JavaScript has thrown. [`thrown_message`] describes it.
pub(crate) type Thrown = JsValue;

#[wasm_bindgen(module = "/src/jwt.js")]
extern "C" {
    #[wasm_bindgen(js_name = verifiedPayload)]
    fn verified_payload_promise(token: &str, keys: &str, now: f64) -> Promise;
}

#[wasm_bindgen(module = "/src/host.js")]
extern "C" {
    /// The request's head: a line for the method, the URL, each header field's name and each field's value.
    #[wasm_bindgen(js_name = requestHead)]
    pub(crate) fn request_head(request: &Request) -> String;
    #[wasm_bindgen(js_name = hasBody)]
    pub(crate) fn has_body(request: &Request) -> bool;
    #[wasm_bindgen(js_name = clientField)]
    fn client_field(request: &Request, name: &str) -> Option<String>;
    /// The spec that was bundled with the Worker.
    #[wasm_bindgen(js_name = bundledSpec)]
    pub(crate) fn bundled_spec() -> Option<String>;
    /// A variable or secret.
    pub(crate) fn variable(env: &Env, name: &str) -> Option<String>;
    /// A binding to a service, a KV namespace or a Durable Object namespace; undefined if there is none.
    pub(crate) fn binding(env: &Env, name: &str) -> JsValue;
    #[wasm_bindgen(catch, js_name = readKv)]
    fn read_kv_promise(namespace: &JsValue, key: &str, ttl: u32) -> Result<Promise, Thrown>;
    #[wasm_bindgen(catch, js_name = writeKv)]
    fn write_kv_promise(namespace: &JsValue, key: &str, text: &str) -> Result<Promise, Thrown>;
    #[wasm_bindgen(js_name = askJudge)]
    fn ask_judge_promise(namespace: &JsValue, batch: Option<&[u8]>, now: f64) -> Promise;
    #[wasm_bindgen(js_name = within)]
    fn within_promise(promise: &Promise, milliseconds: u32) -> Promise;
    #[wasm_bindgen(js_name = post)]
    fn post_promise(url: &str, text: &str, milliseconds: u32) -> Promise;
    #[wasm_bindgen(js_name = sleep)]
    fn sleep_promise(milliseconds: u32) -> Promise;
    #[wasm_bindgen(catch, js_name = storageGet)]
    fn storage_get(storage: &JsValue, key: &str) -> Result<Option<Vec<u8>>, Thrown>;
    #[wasm_bindgen(js_name = storagePut)]
    fn storage_put(storage: &JsValue, key: &str, value: &[u8]);
    #[wasm_bindgen(js_name = storageDelete)]
    fn storage_delete(storage: &JsValue, key: &str);
    #[wasm_bindgen(catch, js_name = storageFlush)]
    fn storage_flush(storage: &JsValue) -> Result<(), Thrown>;
    #[wasm_bindgen(catch, js_name = setAlarm)]
    fn set_alarm(storage: &JsValue, time: f64) -> Result<(), Thrown>;
    #[wasm_bindgen(catch, js_name = forward)]
    fn forward_promise(
        service: &JsValue,
        request: &Request,
        url: Option<&str>,
        changes: &str,
    ) -> Result<Promise, Thrown>;
    #[wasm_bindgen(catch, js_name = attempt)]
    fn start_attempt(
        service: &JsValue,
        request: &Request,
        url: Option<&str>,
        changes: &str,
        milliseconds: u32,
        keeps_encoding: bool,
    ) -> Result<JsValue, Thrown>;
    #[wasm_bindgen(js_name = attemptHeader)]
    fn attempt_header(attempt: &JsValue) -> Promise;
    #[wasm_bindgen(js_name = attemptResponse)]
    fn attempt_response(attempt: &JsValue) -> Promise;
    #[wasm_bindgen(js_name = attemptSettled)]
    fn attempt_settled(attempt: &JsValue) -> Promise;
    #[wasm_bindgen(js_name = attemptMs)]
    fn attempt_ms(attempt: &JsValue) -> Option<f64>;
    #[wasm_bindgen(js_name = isUploadBroken)]
    fn is_upload_broken(attempt: &JsValue) -> bool;
    #[wasm_bindgen(js_name = watchBody)]
    fn watch_body(response: &Response, request: &Request, milliseconds: u32) -> JsValue;
    #[wasm_bindgen(js_name = watchedResponse)]
    fn watched_response(watch: &JsValue) -> Response;
    #[wasm_bindgen(js_name = watchedEnd)]
    fn watched_end(watch: &JsValue) -> Promise;
    #[wasm_bindgen(catch, js_name = mirror)]
    fn mirror_promise(
        service: &JsValue,
        request: &Request,
        url: Option<&str>,
        changes: &str,
        buffered: bool,
        milliseconds: u32,
    ) -> Result<Promise, Thrown>;
    /// The same response with header fields changed and added.
    #[wasm_bindgen(js_name = withFields)]
    pub(crate) fn with_fields(response: &Response, changes: &str, fields: &str) -> Response;
    /// The header fields of a response: a line for each name and each value.
    #[wasm_bindgen(js_name = responseFields)]
    pub(crate) fn response_fields(response: &Response) -> String;
    /// A response of the Worker's own.
    pub(crate) fn respond(status: u16, fields: &str, body: &str) -> Response;
    #[wasm_bindgen(js_name = readText)]
    fn read_text_promise(request: &Request, limit: u32) -> Promise;
    #[wasm_bindgen(js_name = discard)]
    fn discard_promise(response: &Response) -> Promise;
    #[wasm_bindgen(js_name = bodyDigest)]
    fn body_digest_promise(response: &Response) -> Promise;
    #[wasm_bindgen(js_name = cacheGet)]
    fn cache_get_promise(key: &str) -> Promise;
    #[wasm_bindgen(js_name = cachePut)]
    fn cache_put_promise(key: &str, response: &Response) -> Promise;
    #[wasm_bindgen(js_name = responseField)]
    pub(crate) fn response_field(response: &Response, name: &str) -> Option<String>;
    fn now() -> f64;
    #[wasm_bindgen(js_name = thrownMessage)]
    fn message_of(thrown: &Thrown) -> String;
    /// Whether a request has been sent to a target.
    #[wasm_bindgen(js_name = wasSent)]
    pub(crate) fn was_sent(request: &Request) -> bool;
    /// Rejects all pending calls: this instance has trapped.
    #[wasm_bindgen(js_name = rejectPendingCalls)]
    pub(crate) fn reject_pending_calls();
    /// Writes a line to the Worker's log.
    pub(crate) fn log(level: &str, text: &str);
}

/// The message of a thrown value.
pub(crate) fn thrown_message(thrown: &Thrown) -> String {
    message_of(thrown)
}

/// The platform's time, in ms since 1970. It does not advance while a request computes.
pub(crate) fn now_ms() -> u64 {
    timestamp(now()).unwrap_or_default()
}

/// A number of JavaScript as ms; `None` if it is negative or not finite.
pub(crate) fn timestamp(number: f64) -> Option<u64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (number.is_finite() && number >= 0.0).then_some(number as u64)
}

/// A computation that runs whether or not anybody waits for it.
pub(crate) struct Task(Promise);

/// The rest of a [`Task`].
pub(crate) type TaskEnd = Pin<Box<dyn Future<Output = ()>>>;

impl Task {
    pub(crate) fn start(future: impl Future<Output = bool> + 'static) -> Task {
        Task(future_to_promise(async move { Ok(JsValue::from_bool(future.await)) }))
    }

    /// The result; `None` if there is none after some ms.
    pub(crate) async fn result_within(&self, milliseconds: u32) -> Option<bool> {
        JsFuture::from(within_promise(&self.0, milliseconds)).await.ok()?.as_bool()
    }

    /// Waits for the end.
    pub(crate) fn finish(self) -> TaskEnd {
        Box::pin(async move {
            let _ = JsFuture::from(self.0).await;
        })
    }
}

/// A read of a KV key. It starts when it is created, not when it is awaited.
pub(crate) struct KvRead(Result<JsFuture, Thrown>);

impl KvRead {
    pub(crate) fn new(namespace: &JsValue, key: &str, ttl: u32) -> KvRead {
        KvRead(read_kv_promise(namespace, key, ttl).map(JsFuture::from))
    }

    /// The key's value; `None` if it has none.
    pub(crate) async fn value(self) -> Result<Option<String>, Thrown> {
        Ok(self.0?.await?.as_string())
    }
}

/// Writes a KV key.
pub(crate) async fn write_kv(namespace: &JsValue, key: &str, text: &str) -> Result<(), Thrown> {
    JsFuture::from(write_kv_promise(namespace, key, text)?).await.map(|_| ())
}

/// Asks the Durable Object that judges: with a batch for its latch document, without one for its status. Both
/// are JSON. `now` is the isolate's time, in ms since 1970.
pub(crate) async fn ask_judge(
    namespace: &JsValue,
    batch: Option<&[u8]>,
    now: u64,
) -> Result<String, Thrown> {
    #[allow(clippy::cast_precision_loss)]
    let answer = ask_judge_promise(namespace, batch, now as f64);
    Ok(JsFuture::from(answer).await?.as_string().unwrap_or_default())
}

/// Sends JSON to a URL by `POST`. A status other than 2xx is an error.
pub(crate) async fn post(url: &str, text: &str, milliseconds: u32) -> Result<(), Thrown> {
    JsFuture::from(post_promise(url, text, milliseconds)).await.map(|_| ())
}

/// Waits for some ms.
pub(crate) async fn sleep(milliseconds: u32) {
    let _ = JsFuture::from(sleep_promise(milliseconds)).await;
}

/// A Durable Object's storage. Writes are gathered until [`Storage::flush`]; those that the storage refuses are
/// kept for the next event. After a failed read nothing more is written, because later values may depend on it.
pub(crate) struct Storage {
    storage: JsValue,
    failure: RefCell<Option<Thrown>>,
}

impl Storage {
    pub(crate) fn new(storage: JsValue) -> Storage {
        Storage { storage, failure: RefCell::default() }
    }

    /// Sets the time of the object's alarm, in ms since 1970, in place of the previous one.
    pub(crate) fn set_alarm(&self, time: u64) {
        #[allow(clippy::cast_precision_loss)]
        self.record_failure(set_alarm(&self.storage, time as f64));
    }

    /// Sets a key.
    pub(crate) fn put(&self, key: &str, value: &[u8]) {
        if self.failure.borrow().is_none() {
            storage_put(&self.storage, key, value);
        }
    }

    /// Stores what was written, all of it or nothing. Returns whether it is stored.
    pub(crate) fn flush(&self) -> bool {
        let stored = storage_flush(&self.storage);
        if let Err(thrown) = &stored {
            let why = thrown_message(thrown);
            log("error", &format!("serin: the object's state could not be stored yet: {why}"));
        }
        stored.is_ok()
    }

    /// The first failure.
    pub(crate) fn failure(&self) -> Option<Thrown> {
        self.failure.borrow().clone()
    }

    /// Stores the failure of a result, if it is the first one.
    fn record_failure<T>(&self, result: Result<T, Thrown>) -> Option<T> {
        let record = |thrown| {
            self.failure.borrow_mut().get_or_insert(thrown);
        };
        result.map_err(record).ok()
    }
}

impl Store for Storage {
    /// The object is the only owner of its storage.
    type Version = ();

    fn get(&self, key: &str) -> (Option<Vec<u8>>, ()) {
        (self.record_failure(storage_get(&self.storage, key)).flatten(), ())
    }

    fn set(&self, key: &str, value: &[u8], (): &()) -> Result<(), Conflict> {
        self.put(key, value);
        Ok(())
    }

    fn remove(&self, key: &str) {
        if self.failure.borrow().is_none() {
            storage_delete(&self.storage, key);
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

/// A request to an arm of a trial. It is sent when it is created.
pub(crate) struct Attempt(JsValue);

impl Attempt {
    /// Sends a request as [`forward`] does. Its outcome is awaited although the client may leave. With
    /// `keeps_encoding` the response's body is not decompressed.
    pub(crate) fn start(
        service: &JsValue,
        request: &Request,
        (url, changes): (Option<&str>, &str),
        milliseconds: u32,
        keeps_encoding: bool,
        context: &Context,
    ) -> Result<Attempt, Thrown> {
        let started = start_attempt(service, request, url, changes, milliseconds, keeps_encoding)?;
        let settled = attempt_settled(&started);
        context.wait_until(async move {
            let _ = JsFuture::from(settled).await;
        });
        Ok(Attempt(started))
    }

    /// The response; `None` if there is no header within the time limit after the upload. The request goes on.
    pub(crate) async fn header(&self) -> Result<Option<Response>, Thrown> {
        let header = JsFuture::from(attempt_header(&self.0)).await?;
        Ok((!header.is_undefined()).then(|| header.unchecked_into()))
    }

    /// The response, without a time limit.
    pub(crate) async fn response(&self) -> Result<Response, Thrown> {
        JsFuture::from(attempt_response(&self.0)).await.map(JsCast::unchecked_into)
    }

    /// The time from the end of the upload to the response's header, in ms; `None` if the header came first.
    pub(crate) fn ms(&self) -> Option<u64> {
        attempt_ms(&self.0).and_then(timestamp)
    }

    /// Whether the client has broken off its upload.
    pub(crate) fn is_upload_broken(&self) -> bool {
        is_upload_broken(&self.0)
    }
}

/// A response whose body is watched on its way to the client.
pub(crate) struct WatchedBody(JsValue);

impl WatchedBody {
    /// `None` if there is no body, or if the platform does not say when a client leaves.
    pub(crate) fn new(response: &Response, request: &Request, ms: u32) -> Option<WatchedBody> {
        let watch = watch_body(response, request, ms);
        (!watch.is_undefined()).then_some(WatchedBody(watch))
    }

    /// The response for the client.
    pub(crate) fn response(&self) -> Response {
        watched_response(&self.0)
    }

    /// Returns whether the target has broken the body off. The future ends after the time limit at the latest.
    pub(crate) async fn breaks_off(self) -> bool {
        let end = JsFuture::from(watched_end(&self.0)).await;
        end.ok().and_then(|end| end.as_bool()).unwrap_or(false)
    }
}

/// A copy of a request in flight. It is sent when it is created, not when it is awaited.
pub(crate) struct PendingMirror(Promise);

/// Sends a copy of a request, with a time limit of its own. A `buffered` copy has the request's body.
pub(crate) fn mirror(
    service: &JsValue,
    request: &Request,
    url: Option<&str>,
    changes: &str,
    buffered: bool,
    milliseconds: u32,
) -> Result<PendingMirror, Thrown> {
    mirror_promise(service, request, url, changes, buffered, milliseconds).map(PendingMirror)
}

impl PendingMirror {
    /// The response to the copy.
    pub(crate) async fn response(self) -> Result<Response, Thrown> {
        JsFuture::from(self.0).await.map(JsCast::unchecked_into)
    }
}

/// The payload of a token; `None` if its signature is not valid.
pub(crate) async fn verified_payload(
    token: &str,
    keys: &str,
    now: u64,
) -> Result<Option<String>, Thrown> {
    #[allow(clippy::cast_precision_loss)]
    let promise = verified_payload_promise(token, keys, now as f64);
    Ok(JsFuture::from(promise).await?.as_string())
}

/// A body as text; `None` if it is longer than the limit.
pub(crate) async fn read_text(request: &Request, limit: u32) -> Result<Option<String>, Thrown> {
    Ok(JsFuture::from(read_text_promise(request, limit)).await?.as_string())
}

/// Cancels a body that is not needed.
pub(crate) async fn discard(response: &Response) {
    let _ = JsFuture::from(discard_promise(response)).await;
}

/// The digest of a body. It consumes the body.
pub(crate) async fn body_digest(response: &Response) -> Result<String, Thrown> {
    Ok(JsFuture::from(body_digest_promise(response)).await?.as_string().unwrap_or_default())
}

/// The cached response of a key.
pub(crate) async fn cache_get(key: &str) -> Option<Response> {
    let found = JsFuture::from(cache_get_promise(key)).await.ok()?;
    (!found.is_undefined()).then(|| found.unchecked_into())
}

/// Caches a response under a key, as its own header fields allow.
pub(crate) async fn cache_put(key: &str, response: &Response) -> Result<(), Thrown> {
    JsFuture::from(cache_put_promise(key, response)).await.map(|_| ())
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
