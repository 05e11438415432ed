// Faults that end the WebAssembly instance: no request is lost, and none is sent twice.
import { readFileSync } from "node:fs";
import { assert, check, until } from "./check.mjs";
import { CANARY, named, spec, upstream, worker } from "./world.mjs";

const entry = {
  type: "ESModule", path: "fault.js",
  contents: readFileSync(new URL("./fault_entry.mjs", import.meta.url)).toString(),
};
const FAULT = { "x-fault": "1" };

export async function fault() {
  await check("a request with a fault goes to the baseline, and the next one is decided", async () => {
    const [stable, canary] = [await named("stable"), await named("canary")];
    const serin = await worker({
      entry, targets: { stable: stable.origin, canary: canary.origin }, variables: { SERIN_SPEC: spec() },
    });
    const ask = async (headers, options) => (await serin.ask("/", { headers, ...options })).text;
    assert.equal(await ask(CANARY), "canary");
    for (let round = 0; round < 3; round += 1) {
      assert.equal(await ask({ ...CANARY, ...FAULT }), "stable");
      assert.equal(await ask({ ...CANARY, ...FAULT }, { method: "POST", body: "x" }), "stable");
      assert.equal(await ask(CANARY), "canary");
    }

  });

  await check("requests pending when the instance ends get responses, and none is sent twice", async () => {
    const waiting = [];
    const canary = await upstream((request, response) => {
      request.resume();
      waiting.push(response);
    });
    const stable = await named("stable");
    const serin = await worker({
      entry, targets: { stable: stable.origin, canary: canary.origin }, variables: { SERIN_SPEC: spec() },
    });
    const under = ["GET", "GET", "POST"].map((method) => serin.ask(`/${method}`, {
      headers: CANARY, method, body: method === "POST" ? "x" : undefined,
    }));
    await until("all have arrived", () => waiting.length === 3);
    assert.equal((await serin.ask("/", { headers: FAULT })).text, "stable");
    const answers = await Promise.all(under);
    assert.deepEqual(answers.map((answer) => answer.status), [200, 200, 502]);
    assert.deepEqual(answers.map((answer) => answer.headers["x-serin-error"]), [undefined, undefined, "fault"]);
    assert.deepEqual(stable.requests.map((request) => request.method), ["GET", "GET", "GET"]);
    assert.equal(canary.requests.length, 3);
    for (const response of waiting) response.end("canary");
    const after = serin.ask("/", { headers: CANARY });
    await until("it has arrived", () => waiting.length === 4);
    waiting[3].end("canary");
    assert.equal((await after).text, "canary");
  });
}
