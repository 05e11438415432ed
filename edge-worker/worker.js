// What wrangler deploys: the entry point around the compiled core. `spec.json` is the spec of last
// resort, after KV and the variable SERIN_SPEC; as shipped it is `null`, which is none.
import { waiting } from "./host.js";
import spec from "./spec.json";
import { fetch, pass } from "./serin.js";

globalThis.serinSpec = spec;

export default {
  async fetch(request, env, context) {
    let abort;
    const aborted = new Promise((_, reject) => {
      abort = () => reject(new Error("the instance came to an end"));
      waiting.add(abort);
    });
    try {
      return await Promise.race([fetch(request, env, context), aborted]);
    } catch (fault) {
      // Never lost to a fault: a new instance passes it on.
      console.error("serin:", fault);
      return pass(request, env, context);
    } finally {
      waiting.delete(abort);
    }
  },
};
