// What wrangler deploys: the entry point around the compiled core. `spec.json` is the spec of last
// resort, after KV and the variable SERIN_SPEC; as shipped it is `null`, which is none.
import { hasEnded, waiting } from "./host.js";
import spec from "./spec.json";
import {
  __wbg_reset_state as restart,
  fetch,
  judge_alarm,
  judge_batch,
  judge_status,
  pass,
} from "./serin.js";

globalThis.serinSpec = spec;

/** A call of the core; rejected also when the instance ends while the call waits. */
function called(call, ...given) {
  if (hasEnded()) restart();
  return new Promise((resolve, reject) => {
    waiting.add(reject);
    call(...given).then((result) => {
      waiting.delete(reject);
      resolve(result);
    }, (fault) => {
      waiting.delete(reject);
      reject(fault);
    });
  });
}

export default {
  fetch(request, env, context) {
    return called(fetch, request, env, context).catch((fault) => {
      // Never lost to a fault: a new instance passes it on.
      console.error("serin:", fault);
      if (hasEnded()) restart();
      return pass(request, env, context);
    });
  },
};

/** One object for all isolates: it judges the trials of all rollouts. */
export class SerinGates {
  constructor(state, env) {
    this.storage = state.storage;
    this.env = env;
  }

  async fetch(request) {
    try {
      const text = request.method === "POST"
        ? await called(judge_batch, this.storage, this.env, new Uint8Array(await request.arrayBuffer()))
        : await called(judge_status, this.storage, this.env);
      return new Response(text);
    } catch (fault) {
      console.error("serin: the gates' object:", fault);
      return new Response(String(fault), { status: 500 });
    }
  }

  alarm() {
    return called(judge_alarm, this.storage, this.env);
  }
}
