// The built Worker with an object that a test can wake at a later time, inspect, and make fail.
import worker, { SerinGates as Built } from "./worker.js";

const now = Date.now;

function once(first, call) {
  Date.now = () => {
    Date.now = now;
    return first();
  };
  return call();
}

export class SerinGates extends Built {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/wake") {
      await once(() => now() + Number(searchParams.get("later")), () => this.alarm());
      return new Response();
    }
    if (pathname === "/keys") return Response.json([...this.storage.kv.list()].map(([key]) => key));
    const fault = () => { throw new Error("a fault on demand"); };
    return pathname === "/fault" ? once(fault, () => super.fetch(new Request(request.url))) : super.fetch(request);
  }
}

export default worker;
