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
  return typeof spec === "string" ? spec : JSON.stringify(spec);
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

/** Sends a batch to the one object that judges for all isolates. Without a batch it returns its status. */
export async function askJudge(namespace, batch) {
  const options = batch === undefined ? {} : { method: "POST", body: batch.slice() };
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

/** The value of a key in a Durable Object's storage. */
export function storageGet(storage, key) {
  return storage.kv.get(key);
}

export function storagePut(storage, key, value) {
  storage.kv.put(key, value.slice());
}

export function storageDelete(storage, key) {
  storage.kv.delete(key);
}

export function setAlarm(storage, time) {
  storage.setAlarm(time);
}

/** Sends a request to a service or to another URL, with header fields changed: a line for each name and each
 * value; an empty value removes the field. */
export function forward(service, request, url, changes) {
  sentRequests.add(request);
  const copy = new Request(url ?? request.url, request);
  change(copy.headers, changes);
  return send(service, copy);
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

/** The same response with header fields added: a line for each name and each value. */
export function withFields(response, fields) {
  const copy = new Response(response.body, response);
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
