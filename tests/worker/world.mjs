// A Worker in workerd between a client and upstreams, all on loopback.
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { atEnd } from "./check.mjs";
import { COMPATIBILITY_DATE, COMPATIBILITY_FLAGS, modules, require } from "./setup.mjs";

const { Miniflare, Log, LogLevel } = require("miniflare");

/** A spec with one rollout: the canary for requests with `x-ring: canary`, by share for others. */
export function spec(changes = {}, top = {}) {
  return {
    formatVersion: 1,
    revision: 1,
    units: { user: [{ header: "x-user-id" }] },
    rollouts: {
      web: {
        unit: "user",
        arms: { stable: { target: "stable" }, canary: { target: "canary" } },
        baseline: "stable",
        canary: { share: 0, rings: [{ attribute: "header.x-ring", equals: "canary" }] },
        ...changes,
      },
    },
    ...top,
  };
}

/** An upstream with a handler `handle(request, response)`; `requests` records its requests. */
export async function upstream(handle = (_, response) => response.end("ok")) {
  const requests = [];
  const server = http.createServer((request, response) => {
    requests.push({ method: request.method, url: request.url, headers: request.headers, raw: request.rawHeaders });
    response.on("error", () => {});
    handle(request, response);
  });
  server.keepAliveTimeout = 60_000;
  await new Promise((listening) => { server.listen(0, "127.0.0.1", listening); });
  const origin = `http://127.0.0.1:${server.address().port}`;
  const close = () => { server.closeAllConnections(); server.close(); };
  atEnd(close);
  return { origin, requests, server, close };
}

/** An upstream that responds with its name. */
export function named(name) {
  return upstream((request, response) => {
    request.resume();
    response.setHeader("x-upstream", name);
    response.end(name);
  });
}

/** An origin without a listener: the local port of an open connection, so no other process gets it. */
export async function nowhere() {
  const { server } = await upstream();
  const client = net.connect(server.address().port, "127.0.0.1");
  atEnd(() => client.destroy());
  await once(client, "connect");
  return `http://127.0.0.1:${client.localPort}`;
}

/**
 * Starts a Worker. `targets` maps names to origins, `services` binding names to scripts of other Workers; `kv` adds
 * a namespace; `bundled` is the bundled spec; `entry` is a module that is loaded before the Worker's.
 */
export async function worker({ variables = {}, targets = {}, services = {}, kv = false, bundled = null, entry } = {}) {
  const logged = [];
  const others = Object.entries(services).map(([name, script]) => ({
    name: name.toLowerCase(), modules: true, script, compatibilityDate: COMPATIBILITY_DATE,
  }));
  const own = {
    name: "serin",
    modules: modules(bundled, entry),
    compatibilityDate: COMPATIBILITY_DATE,
    compatibilityFlags: COMPATIBILITY_FLAGS,
    bindings: { SERIN_TARGETS: targets, SERIN_BASELINE: "stable", SERIN_STATUS_TOKEN: "token", ...variables },
    serviceBindings: Object.fromEntries(Object.keys(services).map((name) => [name, name.toLowerCase()])),
    ...(kv ? { kvNamespaces: ["SERIN_KV"] } : {}),
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  };
  const miniflare = new Miniflare({
    workers: [own, ...others],
    cf: false,
    log: new Log(LogLevel.NONE),
    handleRuntimeStdio(stdout, stderr) {
      for (const stream of [stdout, stderr]) stream.on("data", (bytes) => logged.push(bytes.toString()));
    },
  });
  atEnd(() => miniflare.dispose());
  await miniflare.ready;
  const port = Number((await miniflare.unsafeGetDirectURL("serin")).port);
  const self = {
    port,
    miniflare,
    log: () => logged.join(""),
    ask: (path, options) => ask(port, path, options),
    async status() {
      const answer = await ask(port, "/.serin/status", { headers: { authorization: "Bearer token" } });
      return JSON.parse(answer.text);
    },
    kv: () => miniflare.getKVNamespace("SERIN_KV", "serin"),
  };
  return self;
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

/** Sends a request; redirects are not followed and the body is not decompressed. */
export function ask(port, path, { method = "GET", headers = {}, body, host = "shop.example.com", patience } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ port, host: "127.0.0.1", path, method, agent, headers: { host, ...headers } });
    if (patience !== undefined) {
      const leave = setTimeout(() => request.destroy(new Error("the client left")), patience);
      request.on("close", () => clearTimeout(leave));
    }
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const bytes = Buffer.concat(chunks);
        resolve({ status: response.statusCode, headers: response.headers, raw: response.rawHeaders, bytes, text: bytes.toString() });
      });
    });
    request.end(body);
  });
}

export const CANARY = { "x-ring": "canary" };
