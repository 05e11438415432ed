// The built Worker in an adverse world: requests for /.test set its clock, and make KV and the storage of its
// object fail.
import worker, { SerinGates as Built } from "./worker.js";

const state = { offset: 0, kv: "good", storage: "good" };
const now = Date.now;
Date.now = () => now() + state.offset;

function hostile(kv) {
  return {
    async get(...args) {
      if (state.kv === "fails") throw new Error("KV is out of reach");
      if (state.kv === "slow") await new Promise((wake) => { setTimeout(wake, 20_000); });
      return kv.get(...args);
    },
    put: (...args) => kv.put(...args),
  };
}

function world(env) {
  return env.SERIN_KV === undefined ? env : { ...env, SERIN_KV: hostile(env.SERIN_KV) };
}

function set(url) {
  for (const [name, value] of url.searchParams) state[name] = name === "offset" ? Number(value) : value;
  return Response.json(state);
}

function refusing(storage) {
  return {
    kv: {
      get: (key) => storage.kv.get(key),
      put: (key, value) => {
        if (state.storage === "fails") throw new Error("the disk is full");
        storage.kv.put(key, value);
      },
      delete: (key) => storage.kv.delete(key),
      list: () => storage.kv.list(),
    },
    transactionSync: (change) => storage.transactionSync(change),
    setAlarm: (time) => storage.setAlarm(time),
  };
}

export class SerinGates extends Built {
  constructor(object, env) {
    super({ storage: refusing(object.storage) }, world(env));
  }
}

export default {
  fetch(request, env, context) {
    const url = new URL(request.url);
    return url.pathname === "/.test" ? set(url) : worker.fetch(request, world(env), context);
  },
};
