// A judge that nothing blinds: other plans, other clocks, KV and storage that fail. What is not counted is said.
import { readFileSync } from "node:fs";
import { assert, check, pause, until } from "./check.mjs";
import { crowd } from "./fleet.mjs";
import { gated, handedOn, isAborted, more, world } from "./gates.mjs";
import { ask, named, spec, worker } from "./world.mjs";

const entry = {
  type: "ESModule", path: "adverse_entry.js",
  contents: readFileSync(new URL("./adverse_entry.mjs", import.meta.url)).toString(),
};
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const put = (store, spec) => store.put("spec", typeof spec === "string" ? spec : JSON.stringify(spec));
const set = (isolate, settings) => isolate.ask(`/.test?${new URLSearchParams(settings)}`);
const watched = async (isolate) => (await isolate.status()).gates.object?.watched?.web;

function aborted(isolate, milliseconds) {
  return until("it is aborted", async () => {
    const status = await isolate.status();
    return isAborted(status) && status;
  }, milliseconds);
}

/** The outcomes that the object has counted in the current stage. */
async function counted(isolate) {
  const web = await watched(isolate);
  return web === undefined ? 0 : web.canary.requests + web.baseline.requests;
}

export async function seeing() {
  await check("an epoch that is raised loses no outcome, and one that is lowered after a promoted step is judged", async () => {
    const start = new Date(Date.now() - HOUR).toISOString();
    const steps = (hold) => [{ share: 50, hold, mode: "gate" }, { share: 60 }];
    const gates = { errors: { unit: "request" }, maxBaselineErrorRate: 50 };
    const stepped = (epoch, revision, hold = "2h") => gated({ epoch, revision, gates, canary: { start, steps: steps(hold) } });
    const { isolates: { one, two }, stable, canary, store } = await world({ names: ["one", "two"] }, stepped(2, 1, "1s"));
    let asked = 0;
    for (const arm of [stable, canary]) arm.answer = () => ((asked += 1) % 3 === 0 ? 500 : 200);
    const first = crowd(two, { connections: 8 });
    await until("the first step is promoted", async () => (await one.status()).latches.some((latch) => latch.left?.length > 0));
    await first.stop();
    await pause(2_500);

    // Raised: only the isolate that sends outcomes reads the new spec; the object has to read it before it judges.
    await put(store, stepped(3, 2));
    const [old, dropped] = [stable.asked + canary.asked, (await two.status()).gates.dropped.stage];
    await until("the isolate has it", async () => {
      await two.ask("/", { headers: { "x-user-id": "probe" } });
      return (await two.status()).spec.revision === 2;
    });
    const before = stable.asked + canary.asked;
    const second = crowd(two, { connections: 2 });
    await more(300, stable, canary);
    await second.stop();
    await handedOn(two);
    const raised = await two.status();
    assert.equal((await watched(two)).epoch, 3);
    const sent = stable.asked + canary.asked;
    const evidence = await counted(two);
    // The last probes may have been of the new epoch.
    assert(evidence >= sent - before && evidence <= sent - old, `${evidence} of ${sent - before} outcomes counted`);
    // Nothing but outcomes of the old epoch.
    assert(raised.gates.dropped.stage - dropped <= before - old, JSON.stringify(raised.gates.dropped));

    // Lowered: the latch still has the steps of the higher epoch.
    await put(store, stepped(1, 3));
    await until("the isolate has it", async () => {
      await two.ask("/");
      return (await two.status()).spec.revision === 3;
    });
    for (const arm of [stable, canary]) arm.answer = () => arm.status;
    canary.status = 503;
    const third = crowd(two, { connections: 4 });
    const begun = performance.now();
    const status = await aborted(two);
    await third.stop();
    assert.equal(status.latches[0].abort.epoch, 1);
    return `lowered: abort after ${Math.round(performance.now() - begun)} ms`;
  });

  await check("an object that starts while KV is bad says so, and counts later what it could not count", async () => {
    const { isolates: { one, two }, stable, canary } = await world({ names: ["one", "two"], entry }, gated());
    await set(one, { kv: "fails" });
    const busy = crowd(two, { connections: 2 });
    await until("the status page says so", async () => {
      const status = await two.status();
      return status.gates.state === "nobody judges: the object has no valid spec" && status.gates.kept > 0 && status;
    });
    const kept = await two.status();
    assert.deepEqual([kept.gates.object.plan, kept.gates.dropped.noPlan], [null, 0]);
    assert(kept.gates.object.dropped.noPlan > 0);
    await set(one, { kv: "good" });
    await until("it judges", async () => (await two.status()).gates.state === "judging");
    await busy.stop();
    await handedOn(two);
    const status = await two.status();
    assert.equal(await counted(two), stable.asked + canary.asked, "outcomes were lost");
    assert.deepEqual(Object.values(status.gates.dropped), [0, 0, 0, 0, 0, 0]);
    return `${status.gates.kept} batches kept, ${await counted(two)} outcomes counted`;
  });

  await check("an isolate with an older plan is told what the object does not count", async () => {
    const { isolates: { two }, store, log } = await world({ names: ["one", "two"], entry }, gated());
    const busy = crowd(two, { connections: 2 });
    await until("it is judged", async () => await counted(two) > 100);
    await set(two, { kv: "fails" });
    await put(store, gated({ epoch: 2 }));
    await until("the object has the new plan", async () => (await two.status()).gates.object.plan?.revision === 2);
    await until("the sender keeps outcomes", async () => (await two.status()).gates.kept > 2);
    await set(two, { kv: "good" });
    await until("the sender has the new plan", async () => (await two.status()).spec.revision === 2);
    await until("they are dropped, and it is judged", async () => (await two.status()).gates.dropped.stage > 0 && await counted(two) > 100);
    await busy.stop();
    const { dropped, object } = (await two.status()).gates;
    assert(object.dropped.stage >= dropped.stage);
    assert.match(log(), /rollout web: \d+ outcomes are not counted: they are of another epoch, edit or step/);
    assert.equal(log().match(/outcomes are not counted/g).length, 1, "it is logged once");
    return JSON.stringify(dropped);
  });

  await check("isolates whose clock is set send batches and read KV all the same", async () => {
    const { isolates: { one, two }, store } = await world({ names: ["one", "two"], entry }, gated());
    const busy = crowd(two, { connections: 2 });
    await until("it is judged", async () => await counted(one) > 100);
    let revision = 1;
    for (const offset of [-HOUR, 0, DAY, 0]) {
      await set(two, { offset });
      const before = (await two.status()).gates.flushed;
      revision += 1;
      await put(store, gated({ epoch: 1, revision }));
      await until(`it sends batches at an offset of ${offset} ms`, async () => (await two.status()).gates.flushed > before + 2, 10_000);
      await until(`it reads KV at an offset of ${offset} ms`, async () => (await two.status()).spec.revision === revision, 10_000);
    }
    await busy.stop();
  });

  for (const behind of [10 * 60_000, -10 * 60_000, HOUR]) {
    await check(`an object whose clock is ${behind / 60_000} minutes behind its isolates judges a ramp`, async () => {
      // The step of the isolates has begun a minute ago; that of the object's clock is the one before or after it.
      const steps = [{ share: 30, hold: "1h" }, { share: 50, hold: "1h" }, { share: 55 }];
      const since = Date.now() - (behind > 0 ? HOUR + 60_000 : HOUR - 60_000);
      const start = new Date(since).toISOString();
      const { isolates: { one, two }, canary } = await world({ names: ["one", "two"], entry }, gated({ canary: { start, steps } }));
      await set(one, { offset: -behind });
      canary.status = 503;
      const busy = crowd(two, { connections: 4 });
      const begun = performance.now();
      const status = await aborted(two, 20_000);
      await busy.stop();
      return `abort after ${Math.round(performance.now() - begun)} ms, dropped: ${JSON.stringify(status.gates.dropped)}`;
    });
  }

  await check("an empty value in KV is a mistake like any other", async () => {
    const [stable, canary] = [await named("stable"), await named("canary")];
    const targets = { stable: stable.origin, canary: canary.origin };
    for (const blank of ["", " \n"]) {
      const serin = await worker({ targets, kv: true, variables: { SERIN_SPEC: spec({ canary: { share: 100 } }) } });
      await (await serin.kv()).put("spec", blank);
      assert.equal((await serin.ask("/", { headers: { "x-user-id": "ada" } })).text, "canary");
      const status = await serin.status();
      assert.equal(status.spec.source, "variable");
      assert.match(status.problem, /spec from kv refused/);
      assert.match(serin.log(), /spec from kv refused/);
    }
  });

  await check("a failed read of KV is a problem until the next good one, and a slow one holds no request", async () => {
    const [stable, canary] = [await named("stable"), await named("canary")];
    const targets = { stable: stable.origin, canary: canary.origin };
    const variables = { SERIN_SPEC: spec({ canary: { share: 100 } }), SERIN_REFRESH_SECONDS: "0" };
    const serin = await worker({ entry, targets, kv: true, variables });
    await (await serin.kv()).put("spec", JSON.stringify(spec({}, { revision: 7 })));
    const user = { headers: { "x-user-id": "ada" } };
    await serin.ask("/.test?kv=slow");
    const begun = performance.now();
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(serin.port, "/", user)));
    const took = performance.now() - begun;
    assert.deepEqual([...new Set(answers.map(({ text }) => text))], ["canary"]);
    assert(took < 6_000, `it took ${took} ms`);
    assert.match((await serin.status()).problem, /could not be read within 3000 ms/);
    await until("the slow value is in force", async () => (await serin.status()).spec.revision === 7);
    assert.equal((await serin.ask("/", user)).text, "stable");
    await serin.ask("/.test?kv=fails");
    await until("the failure is on the page", async () => {
      await serin.ask("/", user);
      return /out of reach/.test((await serin.status()).problem);
    });
    await serin.ask("/.test?kv=good");
    await until("it has gone", async () => {
      await serin.ask("/", user);
      return (await serin.status()).problem === undefined;
    });
    return `the first requests waited ${Math.round(took)} ms`;
  });

  await check("storage that fails to write keeps no abort back, and has it later", async () => {
    const { isolates: { one, two }, canary, restart, log } = await world({ names: ["one", "two"], entry }, gated());
    const busy = crowd(two, { connections: 4 });
    await until("it is judged", async () => await counted(two) > 100);
    await set(one, { storage: "fails" });
    canary.status = 503;
    const status = await aborted(two, 20_000);
    assert.match(log(), /the object's state could not be stored yet: the disk is full/);
    await set(one, { storage: "good" });
    await until("it is stored", async () => {
      await two.status();
      return (await two.status()).gates.flushesFailed === 0;
    });
    await busy.stop();
    await restart();
    assert.deepEqual((await one.status()).gates.object.latches, status.latches);
  });

  await check("a client's version key reaches no target", async () => {
    const origin = await named("stable");
    const script = "export default { fetch(request) { return new Response(String(request.headers.get('cloudflare-workers-version-key'))); } }";
    const serin = await worker({
      services: { CANARY: script }, targets: { stable: origin.origin, canary: { service: "CANARY" } },
      variables: { SERIN_SPEC: spec() },
    });
    const headers = { "Cloudflare-Workers-Version-Key": "mine" };
    await serin.ask("/", { headers });
    assert.equal(origin.requests[0].headers["cloudflare-workers-version-key"], undefined);
    assert.equal((await serin.ask("/", { headers: { ...headers, "x-ring": "canary" } })).text, "null");
  });
}
