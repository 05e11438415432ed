// What wrangler deploys: the entry point around the compiled core. `spec.json` is the spec of last
// resort, after KV and the variable SERIN_SPEC; as shipped it is `null`, which is none.
import spec from "./spec.json";
import { fetch } from "./serin.js";

globalThis.serinSpec = spec;

export default { fetch };
