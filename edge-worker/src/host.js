// The platform's side of the Worker: each function is one step that needs JavaScript's own objects. None decides
// anything. Several values are passed as one string, a line each, because every call between WebAssembly and
// JavaScript costs time. No method, URL, header name or header value contains a line break.

/** The request's head: a line for the method, the URL, each header field's name and each field's value. */
export function requestHead(request) {
  let text = `${request.method}\n${request.url}`;
  for (const [name, value] of request.headers) text += `\n${name}\n${value}`;
  return text;
}

export function hasBody(request) {
  return request.body !== null;
}

/** A field of the request's `cf` object: what Cloudflare knows about the client. */
export function clientField(request, name) {
  const value = request.cf?.[name];
  return value === undefined || value === null ? undefined : String(value);
}

/** The bundled spec as JSON. A bundler may have parsed it. */
export function bundledSpec() {
  const spec = globalThis.serinSpec;
  if (spec === undefined || spec === null) return undefined;
  if (typeof spec === "string") return spec.trim() === "" ? undefined : spec;
  return JSON.stringify(spec);
}

/** A variable or secret as a string. One that is written as JSON in wrangler.jsonc arrives as an object. */
export function variable(env, name) {
  const value = env[name];
  if (value === undefined || value === null) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** A binding to a service, a KV namespace or a Durable Object namespace; undefined for anything else. */
export function binding(env, name) {
  const value = env[name];
  const callable = typeof value?.fetch === "function" || typeof value?.get === "function";
  return callable ? value : undefined;
}

export function readKv(namespace, key, cacheTtl) {
  return namespace.get(key, { type: "text", cacheTtl });
}

export function writeKv(namespace, key, text) {
  return namespace.put(key, text);
}

/** The value of a promise; undefined if there is none after a time. */
export function within(promise, milliseconds) {
  let timer;
  const late = new Promise((resolve) => { timer = setTimeout(resolve, milliseconds); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Sends a batch to the one object that judges for all isolates, with the isolate's time. Without a batch it returns
 * its status. */
export async function askJudge(namespace, batch, now) {
  const headers = { "serin-time": String(now) };
  const options = batch === undefined ? {} : { method: "POST", body: batch.slice(), headers };
  const init = { ...options, signal: AbortSignal.timeout(5_000) };
  const response = await namespace.get(namespace.idFromName("serin")).fetch("https://gates/", init);
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text;
}

export async function post(url, body, milliseconds) {
  const signal = AbortSignal.timeout(milliseconds);
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body, signal, redirect: "manual" });
  await discard(response);
  if (!response.ok) throw new Error(`status ${response.status}`);
}

export function sleep(milliseconds) {
  return new Promise((wake) => { setTimeout(wake, milliseconds); });
}

/** A Durable Object's storage with the writes that it does not have yet. */
export class WriteBuffer {
  constructor(storage) {
    this.storage = storage;
    this.writes = new Map();
  }
}

/** The value of a key. */
export function storageGet(buffer, key) {
  return buffer.writes.has(key) ? buffer.writes.get(key) : buffer.storage.kv.get(key);
}

export function storagePut(buffer, key, value) {
  buffer.writes.set(key, value.slice());
}

export function storageDelete(buffer, key) {
  buffer.writes.set(key, undefined);
}

/** Stores all writes, or none. */
export function storageFlush({ storage, writes }) {
  if (writes.size === 0) return;
  storage.transactionSync(() => {
    for (const [key, value] of writes) {
      if (value === undefined) storage.kv.delete(key);
      else storage.kv.put(key, value);
    }
  });
  writes.clear();
}

export function setAlarm(buffer, time) {
  buffer.storage.setAlarm(time);
}

/** Sends a request to a service or to another URL, with header fields changed: a line for each name and each
 * value; an empty value removes the field. */
export function forward(service, request, url, changes) {
  sentRequests.add(request);
  const copy = new Request(url ?? request.url, request);
  change(copy.headers, changes);
  return send(service, copy);
}

/** Whether the platform says when a client leaves: by `request.signal`, with the flag of this name. */
const saysWhenClientLeaves = globalThis.Cloudflare?.compatibilityFlags?.enable_request_signal === true;

/**
 * Sends a request as `forward` does, and observes it. The body goes through a pipe, so that a client that breaks off
 * its upload can be told from a target that does not answer, and the time of the upload from the target's.
 */
export function attempt(service, request, url, changes, milliseconds, keepsEncoding) {
  sentRequests.add(request);
  const attempt = { startedAt: Date.now(), headerAt: undefined, isUploadBroken: false, hasUpload: request.body !== null };
  const { body, signal, uploaded } = attempt.hasUpload ? upload(request, attempt) : {};
  attempt.uploaded = uploaded;
  const { method, headers, redirect, cf } = request;
  const init = attempt.hasUpload ? { method, headers, redirect, cf, body, signal } : request;
  const copy = new Request(url ?? request.url, init);
  change(copy.headers, changes);
  // A response in parts is compressed as its target has done it, so that it can be passed on unchanged.
  const options = keepsEncoding ? { encodeResponseBody: "manual" } : undefined;
  attempt.response = service === undefined ? fetch(copy, options) : service.fetch(copy, options);
  attempt.header = headerWithin(attempt, uploaded, milliseconds);
  return attempt;
}

/** The body of a request through a pipe. `uploaded` is resolved at its end. */
function upload(request, attempt) {
  const length = request.headers.get("content-length");
  const { readable, writable } = length === null ? new IdentityTransformStream() : new FixedLengthStream(Number(length));
  const controller = new AbortController();
  // A pipe that is aborted would look like the end of the body to the target, so the request is aborted instead.
  const uploaded = request.body.pipeTo(writable, { preventAbort: true }).then(() => {
    attempt.uploadedAt = Date.now();
    return true;
  }, (reason) => {
    // A target that has answered or failed breaks the pipe, too.
    attempt.isUploadBroken = attempt.headerAt === undefined;
    controller.abort(reason);
    return false;
  });
  return { body: readable, signal: controller.signal, uploaded };
}

/** The response; undefined if its header does not come within a time after the upload. */
function headerWithin(attempt, uploaded, milliseconds) {
  return new Promise((resolve, reject) => {
    let timer;
    const start = () => { timer = setTimeout(resolve, milliseconds); };
    const end = (settle) => (value) => {
      attempt.headerAt = Date.now();
      clearTimeout(timer);
      settle(value);
    };
    if (uploaded === undefined) start();
    else uploaded.then((isWhole) => { if (isWhole && attempt.headerAt === undefined) start(); });
    attempt.response.then(end(resolve), end(reject));
  });
}

export function attemptHeader(attempt) {
  return attempt.header;
}

export function attemptResponse(attempt) {
  return attempt.response;
}

/** Resolved when the response's header is there and the request's body is sent, or when they have failed. */
export function attemptSettled({ response, uploaded }) {
  return Promise.allSettled([response, uploaded]);
}

/** The time from the end of the upload to the response's header; undefined if the header came first. */
export function attemptMs({ hasUpload, startedAt, uploadedAt, headerAt }) {
  const sentAt = hasUpload ? uploadedAt : startedAt;
  return sentAt === undefined || headerAt === undefined ? undefined : Math.max(0, headerAt - sentAt);
}

export function isUploadBroken(attempt) {
  return attempt.isUploadBroken;
}

/**
 * Passes a response on with its body through a pipe, so that a target that breaks it off is seen. A client that leaves
 * breaks the pipe with the same error, so this needs the platform to say when it leaves; otherwise undefined.
 */
export function watchBody(response, request, milliseconds) {
  const { body, status, statusText, headers, cf } = response;
  if (!saysWhenClientLeaves || body === null || status === 101) return undefined;
  const length = headers.get("content-length");
  const { readable, writable } = length === null ? new IdentityTransformStream() : new FixedLengthStream(Number(length));
  const isBroken = body.pipeTo(writable).then(() => false, () => !request.signal.aborted);
  const init = { status, statusText, headers, cf, encodeBody: "manual" };
  return { response: new Response(readable, init), end: within(isBroken, milliseconds) };
}

export function watchedResponse(watch) {
  return watch.response;
}

export function watchedEnd(watch) {
  return watch.end;
}

/** Requests that have been sent to a target: it may have handled them. */
const sentRequests = new WeakSet();

export function wasSent(request) {
  return sentRequests.has(request);
}

/** The `reject` functions of the calls into WebAssembly that are pending. They are called if the instance traps. */
export const pendingCalls = new Set();
let hasTrapped = false;

export function rejectPendingCalls() {
  hasTrapped = true;
  for (const reject of pendingCalls) reject(new Error("the WebAssembly instance has trapped"));
  pendingCalls.clear();
}

/** Whether the instance has trapped since the last call of this function. */
export function takeTrap() {
  const result = hasTrapped;
  hasTrapped = false;
  return result;
}

function change(headers, changes) {
  if (changes === "") return;
  const lines = changes.split("\n");
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const value = lines[i + 1];
    if (value === "") headers.delete(lines[i]);
    else headers.set(lines[i], value);
  }
}

function send(service, request) {
  return service === undefined ? fetch(request) : service.fetch(request);
}

/** Sends a copy of a request, with a time limit. The body of a buffered copy is read whole first, so that the
 * copy never delays the request. */
export function mirror(service, request, url, changes, buffered, milliseconds) {
  const { method, headers } = request;
  const clone = buffered ? request.clone() : undefined;
  const response = (async () => {
    const body = await clone?.arrayBuffer();
    const signal = AbortSignal.timeout(milliseconds);
    const copy = new Request(url ?? request.url, { method, headers, body, signal, redirect: "manual" });
    change(copy.headers, changes);
    return send(service, copy);
  })();
  // A rejection before the response is awaited must not count as unhandled.
  response.catch(() => {});
  return response;
}

/** The same response with header fields changed, then others added: a line for each name and each value. */
export function withFields(response, changes, fields) {
  const copy = new Response(response.body, response);
  change(copy.headers, changes);
  append(copy.headers, fields);
  return copy;
}

function append(headers, fields) {
  const lines = fields.split("\n");
  for (let i = 0; i + 1 < lines.length; i += 2) headers.append(lines[i], lines[i + 1]);
}

/** A response of the Worker's own. */
export function respond(status, fields, body) {
  const headers = new Headers();
  append(headers, fields);
  return new Response(body === "" ? null : body, { status, headers });
}

/** The body as text; undefined if it is longer than the limit, in bytes. */
export async function readText(request, limit) {
  const bytes = await readBytes(request.body, limit);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

async function readBytes(body, limit) {
  if (body === null) return new Uint8Array();
  const chunks = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.byteLength;
    if (length > limit) return undefined;
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}

export function discard(response) {
  return response.body === null ? Promise.resolve() : response.body.cancel();
}

/** The SHA-256 of a body, in hexadecimal digits. The body is streamed, not buffered. */
export async function bodyDigest(message) {
  const sink = new crypto.DigestStream("SHA-256");
  if (message.body === null) await sink.getWriter().close();
  else await message.body.pipeTo(sink);
  return [...new Uint8Array(await sink.digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function cacheGet(key) {
  return caches.default.match(key);
}

export function cachePut(key, response) {
  return caches.default.put(key, response);
}

/** The header fields of a response: a line for each name and each value. */
export function responseFields(response) {
  let text = "";
  for (const [name, value] of response.headers) text += `${name}\n${value}\n`;
  return text;
}

/** The value of a response's header field. */
export function responseField(response, name) {
  return response.headers.get(name) ?? undefined;
}

export function now() {
  return Date.now();
}

/** The message of a thrown value. */
export function thrownMessage(thrown) {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

export function log(level, text) {
  console[level](text);
}
