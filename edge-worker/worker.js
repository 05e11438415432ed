// The Worker's entry point around its WebAssembly, deployed by wrangler. `spec.json` is the last source of the spec,
// after KV and the variable SERIN_SPEC. Unless it is replaced, it contains `null`: no spec.
import { WriteBuffer, pendingCalls, takeTrap } from "./host.js";
import spec from "./spec.json";
import {
  __wbg_reset_state as restartInstance,
  fetch,
  judge_alarm,
  judge_batch,
  judge_status,
  pass_through,
} from "./serin.js";

globalThis.serinSpec = spec;

/** Calls into WebAssembly. The promise is also rejected if the instance traps while the call is pending. */
function callInstance(call, ...values) {
  if (takeTrap()) restartInstance();
  return new Promise((resolve, reject) => {
    pendingCalls.add(reject);
    call(...values).then((result) => {
      pendingCalls.delete(reject);
      resolve(result);
    }, (fault) => {
      pendingCalls.delete(reject);
      reject(fault);
    });
  });
}

export default {
  fetch(request, env, context) {
    return callInstance(fetch, request, env, context).catch((fault) => {
      // No request is lost to a fault: a new instance passes it on.
      console.error("serin:", fault);
      if (takeTrap()) restartInstance();
      return pass_through(request, env, context);
    });
  },
};

/** The Durable Object that judges the trials of all rollouts, for all isolates. */
export class SerinGates {
  constructor(state, env) {
    this.storage = state.storage;
    this.buffer = new WriteBuffer(state.storage);
    this.env = env;
  }

  async fetch(request) {
    try {
      const text = request.method === "POST"
        ? await this.judge(request)
        : await callInstance(judge_status, this.buffer, this.env);
      return new Response(text);
    } catch (fault) {
      console.error("serin: the judge failed:", fault);
      return new Response(String(fault), { status: 500 });
    }
  }

  async judge(request) {
    const batch = new Uint8Array(await request.arrayBuffer());
    const sentAt = Number(request.headers.get("serin-time") ?? Number.NaN);
    return callInstance(judge_batch, this.buffer, this.env, batch, sentAt);
  }

  alarm() {
    return callInstance(judge_alarm, this.buffer, this.env);
  }
}
