// Several Workers in one workerd, each in its own isolate, with one Durable Object and one KV namespace.
import { atEnd } from "./check.mjs";
import { COMPATIBILITY_DATE, COMPATIBILITY_FLAGS, modules, require } from "./setup.mjs";
import { ask } from "./world.mjs";

const { Miniflare, Log, LogLevel } = require("miniflare");

/**
 * Starts isolates by name; the first has the object's class. Those in `without` have no binding to it; `entry` is a
 * module that is loaded before theirs.
 */
export async function fleet(names, { targets = {}, variables = {}, without = [], kv = true, useSQLite = true, entry, bundled = null, services = {} } = {}) {
  const logged = [];
  const [owner] = names;
  const bound = (name) => (without.includes(name) ? {} : {
    durableObjects: {
      SERIN_GATES: { className: "SerinGates", useSQLite, ...(name === owner ? {} : { scriptName: owner }) },
    },
  });
  const described = names.map((name) => ({
    name,
    modules: modules(bundled, entry),
    compatibilityDate: COMPATIBILITY_DATE,
    compatibilityFlags: COMPATIBILITY_FLAGS,
    bindings: {
      SERIN_TARGETS: targets, SERIN_BASELINE: "stable", SERIN_STATUS_TOKEN: "token", SERIN_REFRESH_SECONDS: "1", ...variables,
    },
    ...(kv ? { kvNamespaces: { SERIN_KV: "shared" } } : {}),
    ...bound(name),
    serviceBindings: Object.fromEntries(Object.keys(services).map((name) => [name, name.toLowerCase()])),
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  }));
  const others = Object.entries(services).map(([name, script]) => ({
    name: name.toLowerCase(), modules: true, script, compatibilityDate: COMPATIBILITY_DATE,
  }));
  const miniflare = new Miniflare({
    workers: [...described, ...others],
    cf: false,
    log: new Log(LogLevel.NONE),
    handleRuntimeStdio(stdout, stderr) {
      for (const stream of [stdout, stderr]) stream.on("data", (bytes) => logged.push(bytes.toString()));
    },
  });
  atEnd(() => miniflare.dispose());
  await miniflare.ready;
  const isolates = {};
  for (const name of names) {
    const port = Number((await miniflare.unsafeGetDirectURL(name)).port);
    isolates[name] = {
      name,
      port,
      ask: (path, options) => ask(port, path, options),
      async status() {
        const answer = await ask(port, "/.serin/status", { headers: { authorization: "Bearer token" } });
        return JSON.parse(answer.text);
      },
    };
  }
  return {
    isolates,
    kv: () => miniflare.getKVNamespace("SERIN_KV", owner),
    object: async (path) => {
      const namespace = await miniflare.getDurableObjectNamespace("SERIN_GATES", owner);
      return namespace.get(namespace.idFromName("serin")).fetch(`https://gates${path}`);
    },
    restart: () => miniflare.unsafeEvictDurableObject(owner, "SerinGates", { name: "serin" }),
    log: () => logged.join(""),
  };
}

/**
 * Sends requests of many users, in sequence on each of several connections, until `stop` is called. A client
 * disconnects after `patience` ms.
 */
export function crowd(isolate, { connections = 4, headers = {}, path = "/", patience, host, method, body } = {}) {
  const answers = [];
  let running = true;
  let user = 0;
  const clients = Array.from({ length: connections }, async () => {
    while (running) {
      user += 1;
      const sent = performance.now();
      const own = { "x-user-id": `${isolate.name}-${user % 5_000}`, ...headers };
      const answer = await isolate.ask(path, { headers: own, patience, host, method, body }).catch((lost) => ({ status: 0, headers: {}, lost }));
      answers.push({ sent, status: answer.status, arm: answer.headers["x-upstream"], lost: answer.lost });
    }
  });
  const stop = async () => {
    running = false;
    await Promise.all(clients);
    return answers;
  };
  atEnd(stop);
  return { answers, stop };
}
