// The platform's side: each function is one step that needs JavaScript's own objects. No decisions
// here. Several values travel as one text, a line each, because every call across the border between
// WebAssembly and JavaScript costs time; no method, URL, header name or value contains a line break.

/** Method, URL, then name and value of each header field. */
export function head(request) {
  let text = `${request.method}\n${request.url}`;
  for (const [name, value] of request.headers) text += `\n${name}\n${value}`;
  return text;
}

export function hasBody(request) {
  return request.body !== null;
}

/** What Cloudflare knows about the client. */
export function clientField(request, name) {
  const value = request.cf?.[name];
  return value === undefined || value === null ? undefined : String(value);
}

/** The spec that was bundled with the Worker: text, or what a bundler made of JSON. */
export function bundled() {
  const spec = globalThis.serinSpec;
  if (spec === undefined || spec === null) return undefined;
  return typeof spec === "string" ? spec : JSON.stringify(spec);
}

/** A variable or secret as text; one written as JSON in wrangler.jsonc arrives as an object. */
export function variable(env, name) {
  const value = env[name];
  if (value === undefined || value === null) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** A binding to something that can be called: a service, a KV namespace. */
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

/** One object judges for all isolates. Without a batch it tells its state. */
export async function askJudge(namespace, batch) {
  const asked = batch === undefined ? {} : { method: "POST", body: batch.slice() };
  const init = { ...asked, signal: AbortSignal.timeout(5_000) };
  const answer = await namespace.get(namespace.idFromName("serin")).fetch("https://gates/", init);
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text;
}

export async function post(url, body, milliseconds) {
  const signal = AbortSignal.timeout(milliseconds);
  const headers = { "content-type": "application/json" };
  const answer = await fetch(url, { method: "POST", headers, body, signal, redirect: "manual" });
  await discard(answer);
  if (!answer.ok) throw new Error(`status ${answer.status}`);
}

export function sleep(milliseconds) {
  return new Promise((wake) => { setTimeout(wake, milliseconds); });
}

/** What a Durable Object keeps under a key. */
export function stored(storage, key) {
  return storage.kv.get(key);
}

export function store(storage, key, value) {
  storage.kv.put(key, value.slice());
}

export function unstore(storage, key) {
  storage.kv.delete(key);
}

export function setAlarm(storage, at) {
  storage.setAlarm(at);
}

/** Sends a request, with header fields changed (name, value; no value removes), to a service or to
 * another URL. */
export function forward(service, request, url, changes) {
  sent.add(request);
  const copy = new Request(url ?? request.url, request);
  change(copy.headers, changes);
  return send(service, copy);
}

/** Requests that have gone to a target: what happened to them there is not known. */
const sent = new WeakSet();

export function wasSent(request) {
  return sent.has(request);
}

/** What is called for each waiting request when the WebAssembly's instance has come to an end. */
export const waiting = new Set();
let ended = false;

export function aborted() {
  ended = true;
  for (const abort of waiting) abort(new Error("the WebAssembly came to an end"));
  waiting.clear();
}

/** Whether the instance has come to an end since this was last asked. */
export function hasEnded() {
  const answer = ended;
  ended = false;
  return answer;
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

/** Sends a copy of a request, given up after a while. A body is read whole first, so that the copy
 * never holds up the request itself. */
export function mirror(service, request, url, changes, buffered, milliseconds) {
  const { method, headers } = request;
  const spare = buffered ? request.clone() : undefined;
  const answer = (async () => {
    const body = await spare?.arrayBuffer();
    const signal = AbortSignal.timeout(milliseconds);
    const copy = new Request(url ?? request.url, { method, headers, body, signal, redirect: "manual" });
    change(copy.headers, changes);
    return send(service, copy);
  })();
  // Somebody waits for it, but perhaps not yet.
  answer.catch(() => {});
  return answer;
}

/** The same response with header fields added: name, value. */
export function withFields(response, fields) {
  const copy = new Response(response.body, response);
  append(copy.headers, fields);
  return copy;
}

function append(headers, fields) {
  const lines = fields.split("\n");
  for (let i = 0; i + 1 < lines.length; i += 2) headers.append(lines[i], lines[i + 1]);
}

/** A response of our own. */
export function respond(status, fields, body) {
  const headers = new Headers();
  append(headers, fields);
  return new Response(body === "" ? null : body, { status, headers });
}

/** The body as text; nothing if it is longer than the limit. */
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
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

export function discard(response) {
  return response.body === null ? Promise.resolve() : response.body.cancel();
}

/** SHA-256 of a body, in hexadecimal digits, without holding it. */
export async function digest(message) {
  const sink = new crypto.DigestStream("SHA-256");
  if (message.body === null) await sink.getWriter().close();
  else await message.body.pipeTo(sink);
  return [...new Uint8Array(await sink.digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function cached(key) {
  return caches.default.match(key);
}

export function keep(key, response) {
  return caches.default.put(key, response);
}

/** The value of a response's header field. */
export function responseField(response, name) {
  return response.headers.get(name) ?? undefined;
}

export function now() {
  return Date.now();
}

/** What was thrown, in words. */
export function describe(thrown) {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

export function log(level, text) {
  console[level](text);
}
