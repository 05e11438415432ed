// Gates: isolates hand outcomes to one Durable Object, which cuts a failing canary off in all of them.
import { assert, check, pause, until } from "./check.mjs";
import { crowd, fleet } from "./fleet.mjs";
import { spec, upstream, worker } from "./world.mjs";

const NAMES = ["one", "two", "three"];

/** Half of the users on the canary, judged by its errors. */
function gated({ epoch = 1, revision = epoch, gates = {}, share = 50, ...more } = {}) {
  return spec(
    { canary: { share }, epoch, gates, onAbort: { disable: ["new-checkout"] }, ...more },
    {
      revision,
      flags: {
        "new-checkout": {
          kind: "ops", purpose: "a test of gates", variants: { on: true, off: false }, defaultVariant: "off",
          rules: [{ name: "all", serve: "on" }], deliver: { paths: ["/"] },
        },
      },
    },
  );
}

/** An upstream that can be told to fail, and that knows when it was last asked by whom. */
async function target(name) {
  const self = { status: 200, asked: 0, flags: undefined };
  const { origin } = await upstream((request, response) => {
    request.resume();
    self.asked += 1;
    self.flags = request.headers["serin-flags"];
    response.writeHead(self.status, { "x-upstream": name });
    response.end(name);
  });
  return Object.assign(self, { origin });
}

async function world(options, first) {
  const [stable, canary] = [await target("stable"), await target("canary")];
  const targets = { stable: stable.origin, canary: canary.origin };
  const { names = NAMES, ...rest } = options;
  const all = await fleet(names, { targets, ...rest });
  const kv = await all.kv();
  await kv.put("spec", JSON.stringify(first));
  return { ...all, stable, canary, store: kv };
}

const isAborted = (status) => status.latches.some((latch) => latch.abort !== undefined);

export async function gates() {
  await check("a failing canary is cut off in every isolate, with the flags it names", async () => {
    const { isolates, stable, canary, store, restart, log } = await world({ without: ["three"] }, gated());
    const crowds = NAMES.map((name) => crowd(isolates[name]));
    await until("the canary is asked everywhere", () => crowds.every(({ answers }) => answers.some(({ arm }) => arm === "canary")));
    await pause(2_500);
    assert(!isAborted(await isolates.one.status()), "a healthy canary was aborted");
    const onset = performance.now();
    const before = canary.asked;
    canary.status = 503;
    await until("every isolate knows", async () => {
      const known = await Promise.all(NAMES.map((name) => isolates[name].status()));
      return known.every(isAborted);
    }, 40_000);
    await pause(500);
    const at = canary.asked;
    await pause(1_500);
    const answers = await Promise.all(crowds.map((crowd) => crowd.stop()));
    assert.equal(canary.asked, at, "requests reached the canary after every isolate knew");
    assert.match(stable.flags, /new-checkout=\?0/);
    const lines = NAMES.map((name, index) => {
      const exposed = answers[index].filter(({ arm, sent }) => arm === "canary" && sent >= onset);
      const last = Math.max(...exposed.map(({ sent }) => sent)) - onset;
      return `${name} ${exposed.length} requests, last after ${Math.round(last)} ms`;
    });
    const status = await isolates.one.status();
    const [latch] = status.latches;
    assert.deepEqual([latch.rollout, latch.epoch, latch.abort.epoch], ["web", 1, 1]);
    assert.match(latch.abort.reason, /^errors, /);
    const [audit] = status.gates.object.audits;
    assert.deepEqual([audit.verdict, audit.rollout, audit.epoch], ["abort", "web", 1]);
    assert(log().includes('{"audit":1,'), "the record is in the log");
    assert.deepEqual(JSON.parse(await store.get("latches")).latches, status.latches);

    // A restart of the object keeps the latch.
    await restart();
    const after = await isolates.two.status();
    assert.deepEqual(after.latches, status.latches);
    assert.deepEqual(after.gates.object.audits, status.gates.object.audits);

    // A higher epoch clears it, everywhere.
    canary.status = 200;
    await store.put("spec", JSON.stringify(gated({ epoch: 2 })));
    for (const name of NAMES) {
      await until(`${name} sends users to the canary again`, async () => {
        const answer = await isolates[name].ask("/", { headers: { "x-user-id": `u${Math.random()}` } });
        return answer.headers["x-upstream"] === "canary";
      });
    }
    assert.match(canary.flags, /new-checkout=\?1/);
    return `canary asked ${at - before} times after onset: ${lines.join("; ")}`;
  });
}
