// What wrangler deploys: the entry point around the compiled core. `spec.json` is the spec of last
// resort, after KV and the variable SERIN_SPEC; as shipped it is `null`, which is none.
import { hasEnded, waiting } from "./host.js";
import spec from "./spec.json";
import { __wbg_reset_state as restart, fetch, pass } from "./serin.js";

globalThis.serinSpec = spec;

/** The fetch event; rejected also when the instance ends while the request waits. */
function decided(request, env, context) {
  return new Promise((resolve, reject) => {
    waiting.add(reject);
    fetch(request, env, context).then((response) => {
      waiting.delete(reject);
      resolve(response);
    }, reject);
  });
}

export default {
  fetch(request, env, context) {
    if (hasEnded()) restart();
    return decided(request, env, context).catch((fault) => {
      // Never lost to a fault: a new instance passes it on.
      console.error("serin:", fault);
      if (hasEnded()) restart();
      return pass(request, env, context);
    });
  },
};
