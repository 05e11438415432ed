// The built Worker with a fault on demand: an exception from a host function that passes through the
// WebAssembly ends its instance, as a trap does.
import worker from "./worker.js";

const now = Date.now;

export default {
  fetch(request, env, context) {
    Date.now = () => {
      Date.now = now;
      if (request.headers.has("x-fault")) throw new Error("a fault on demand");
      return now();
    };
    return worker.fetch(request, env, context);
  },
};
