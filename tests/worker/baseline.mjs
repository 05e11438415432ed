// A hand-written Worker for one rollout: it strips fields, tests a header, hashes the unit, chooses an arm
// and forwards. The bench compares Serin's Worker with it.
const RESERVED = /^(x-serin-|serin-)/;

function bucket(salt, unit) {
  const text = `${salt}:${unit}`;
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  return Math.floor((hash >>> 0) / 4294967296 * 100_000);
}

function choose(request) {
  if (request.headers.get("x-ring") === "canary") return ["canary", undefined];
  const unit = request.headers.get("x-user-id");
  if (!unit) return ["stable", undefined];
  const number = bucket("web", unit);
  return [number < 50_000 ? "canary" : "stable", number];
}

export default {
  async fetch(request, env) {
    const [arm, number] = choose(request);
    const copy = new Request(request.url, request);
    for (const [name] of request.headers) if (RESERVED.test(name)) copy.headers.delete(name);
    copy.headers.set("x-serin-rollout", "web");
    copy.headers.set("x-serin-arm", arm);
    if (number !== undefined) copy.headers.set("cloudflare-workers-version-key", `web.${number}`);
    try {
      return await env.TARGET.fetch(copy);
    } catch {
      return new Response("502\n", { status: 502 });
    }
  },
};
