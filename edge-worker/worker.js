// What wrangler deploys: the entry point around the compiled core. `spec.json` is the spec of last
// resort, after KV and the variable SERIN_SPEC; as shipped it is `null`, which is none.
import spec from "./spec.json";
import { fetch, pass } from "./serin.js";

globalThis.serinSpec = spec;

export default {
  fetch(request, env, context) {
    return new Promise((resolve) => {
      try {
        fetch(request, env, context, resolve);
      } catch (fault) {
        // Never lost to a fault: a new instance passes it on.
        console.error("serin:", fault);
        pass(request, env, context, resolve);
      }
    });
  },
};
