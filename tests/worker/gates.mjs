// Gates: isolates send outcomes to one Durable Object, which aborts a failing canary in all of them.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, atEnd, check, pause, until } from "./check.mjs";
import { crowd, fleet } from "./fleet.mjs";
import { prepared } from "./setup.mjs";
import { nowhere, spec, upstream } from "./world.mjs";

const NAMES = ["one", "two", "three"];

/** The built Worker with an object that a test can wake and make fail. */
const entry = {
  type: "ESModule", path: "gates_entry.js",
  contents: readFileSync(new URL("./gates_entry.mjs", import.meta.url)).toString(),
};

/** The probability of a false abort, in per cent. It is small enough that no run sees one. */
const alpha = 0.001;

/** A spec with half of the users on the canary and a gate for its errors. */
export function gated({ epoch = 1, revision = epoch, gates = {}, share = 50, ...more } = {}) {
  return spec(
    { canary: { share }, epoch, gates: { alpha, ...gates }, onAbort: { disable: ["new-checkout"] }, ...more },
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

/** An upstream that fails on demand and records when each isolate last called it. */
export async function target(name) {
  const self = { status: 200, asked: 0, posted: 0, delay: 0, flags: undefined, answer: () => self.status };
  const { origin, close } = await upstream(async (request, response) => {
    self.asked += 1;
    self.flags = request.headers["serin-flags"];
    request.on("error", () => {});
    if (request.method === "POST" && self.breaks) return request.socket.destroy();
    const whole = new Promise((end) => { request.on("end", end); });
    request.resume();
    if (request.method === "POST") {
      await whole;
      self.posted += 1;
    }
    const status = self.answer();
    if (self.delay > 0) await pause(self.delay);
    if (self.hold !== undefined) await new Promise((answer) => { self.hold(answer); });
    response.writeHead(status, { "x-upstream": name });
    if (self.body === undefined) return response.end(name);
    response.write("x".repeat(1_000));
    if (self.body === "reset") return setTimeout(() => request.socket.resetAndDestroy(), 20);
    const more = setInterval(() => response.write("x".repeat(1_000)), 10);
    const end = () => { clearInterval(more); response.end(); };
    setTimeout(end, 2_000);
    return response.on("close", () => clearInterval(more));
  });
  return Object.assign(self, { origin, close });
}

export async function world(options, first) {
  const [stable, canary, dark] = [await target("stable"), await target("canary"), await target("dark")];
  const targets = { stable: stable.origin, canary: canary.origin, dark: dark.origin, ...options.targets };
  const { names = NAMES, ...rest } = options;
  const all = await fleet(names, { ...rest, targets });
  const store = first === undefined ? undefined : await all.kv();
  await store?.put("spec", JSON.stringify(first));
  return { ...all, stable, canary, dark, store };
}

/** Waits until these upstreams have got this many more requests. */
export function more(requests, ...upstreams) {
  const sum = () => upstreams.reduce((sum, { asked }) => sum + asked, 0);
  const enough = sum() + requests;
  return until(`${requests} more requests come in`, () => sum() >= enough);
}

/** Waits until the object has counted outcomes, and no new ones for three batch intervals. */
export function handedOn(isolate) {
  let last;
  return until("everything is handed on", async () => {
    const watched = (await isolate.status()).gates.object.watched.web;
    if (watched === undefined) return false;
    const now = watched.canary.requests + watched.baseline.requests;
    if (now === last) return true;
    last = now;
    await pause(3_000);
    return false;
  });
}

export const isAborted = (status) => status.latches.some((latch) => latch.abort !== undefined);

export async function gates() {
  await check("a failing canary is aborted in every isolate, with the flags of onAbort", async () => {
    const variables = { SERIN_OFREP_PREFIX: "/" };
    const { isolates, stable, canary, store, restart, log } = await world({ without: ["three"], variables }, gated());
    const crowds = [];
    for (const name of NAMES) {
      crowds.push(crowd(isolates[name]));
      // Isolates send their batches at different times.
      await pause(350);
    }
    await until("the canary is asked everywhere", () => crowds.every(({ answers }) => answers.some(({ arm }) => arm === "canary")));
    await until("it is judged", async () => (await isolates.one.status()).gates.object.watched.web?.canary.requests > 300);
    assert(!isAborted(await isolates.one.status()), "a healthy canary was aborted");
    const onset = performance.now();
    const before = canary.asked;
    canary.status = 503;
    // Not the status page: it makes an isolate read the object and learn of the abort too early.
    const known = await until("KV has the abort", async () => {
      const text = await store.get("latches");
      return text !== null && isAborted(JSON.parse(text)) && performance.now();
    });
    let at = before;
    await until("nobody asks the canary for longer than handing on and reading KV take", async () => {
      at = canary.asked;
      await pause(2_500);
      await more(500, stable);
      return canary.asked === at;
    });
    const answers = await Promise.all(crowds.map((crowd) => crowd.stop()));
    assert.equal(canary.asked, at, "requests reached the canary after every isolate knew");
    const errors = answers.flat().filter(({ status, arm }) => status !== 200 && arm !== "canary");
    assert.deepEqual(errors, [], "a request was lost");
    assert.match(stable.flags, /new-checkout=\?0/);
    const path = "/ofrep/v1/evaluate/flags/new-checkout";
    const evaluated = JSON.parse((await isolates.two.ask(path, { method: "POST", body: "{}" })).text);
    assert.deepEqual([evaluated.value, evaluated.reason], [false, "DISABLED"]);
    const lines = NAMES.map((name, index) => {
      const exposed = answers[index].filter(({ arm, sent }) => arm === "canary" && sent >= onset);
      const last = Math.max(...exposed.map(({ sent }) => sent)) - onset;
      return `${name} ${exposed.length} requests, last after ${Math.round(last)} ms`;
    });
    const status = await isolates.one.status();
    const [latch] = status.latches;
    assert.deepEqual([latch.rollout, latch.epoch, latch.abort.epoch], ["web", 1, 1]);
    assert.match(latch.abort.reason, /^errors by bucket, /);
    const [audit] = status.gates.object.audits;
    assert.deepEqual([audit.verdict, audit.rollout, audit.epoch], ["abort", "web", 1]);
    assert(log().includes('{"audit":2,'), "the record is in the log");
    assert.deepEqual(JSON.parse(await store.get("latches")).latches, status.latches);

    // The record replays to the same verdict under its spec.
    const folder = mkdtempSync(join(tmpdir(), "serin-audit-"));
    atEnd(() => rmSync(folder, { recursive: true, force: true }));
    const [record, spec] = [join(folder, "audit.jsonl"), join(folder, "spec.json")];
    writeFileSync(record, log());
    writeFileSync(spec, JSON.stringify(gated()));
    execFileSync(prepared("SERIN_BIN"), ["replay-audit", record, "--spec", spec]);

    // The latch survives a restart of the object.
    await restart();
    const after = await isolates.two.status();
    assert.deepEqual(after.latches, status.latches);
    assert.deepEqual(after.gates.object.audits, status.gates.object.audits);

    // A higher epoch clears the abort in all isolates.
    canary.status = 200;
    await store.put("spec", JSON.stringify(gated({ epoch: 2 })));
    for (const name of NAMES) {
      await until(`${name} sends users to the canary again`, async () => {
        const answer = await isolates[name].ask("/", { headers: { "x-user-id": `u${Math.random()}` } });
        return answer.headers["x-upstream"] === "canary";
      });
    }
    assert.match(canary.flags, /new-checkout=\?1/);
    return `canary asked ${at - before} times after onset, the abort in KV after ${Math.round(known - onset)} ms: ${lines.join("; ")}`;
  });

  await check("a canary that fails as often as its baseline is not aborted", async () => {
    const { isolates, stable, canary } = await world({}, gated({ gates: { errors: { unit: "request" }, maxBaselineErrorRate: 50 } }));
    // Every third request fails on either arm.
    let asked = 0;
    for (const one of [stable, canary]) one.answer = () => ((asked += 1) % 3 === 0 ? 500 : 200);
    const crowds = NAMES.map((name) => crowd(isolates[name]));
    await more(2_000, stable, canary);
    const answers = (await Promise.all(crowds.map((crowd) => crowd.stop()))).flat();
    await handedOn(isolates.one);
    const status = await isolates.one.status();
    assert.deepEqual([status.gates.state, isAborted(status), status.gates.object.audits], ["judging", false, []]);
    const { canary: tried, baseline } = status.gates.object.watched.web;
    assert.deepEqual([tried.requests, baseline.requests], [canary.asked, stable.asked], "every outcome is counted once");
    assert.equal(tried.errors + baseline.errors, answers.filter(({ status }) => status === 500).length);
    return `${tried.requests} canary requests, ${tried.errors} of them failed`;
  });

  await check("an unreachable or slow canary is aborted", async () => {
    const slow = { errors: {}, latency: { tolerate: 50 } };
    for (const [gates, harm, cause] of [
      [{}, (canary) => canary.close(), /^errors by bucket, /],
      [slow, (canary) => { canary.delay = 40; }, /^latency at /],
    ]) {
      const { isolates, canary } = await world({ names: ["one"] }, gated({ gates }));
      const one = crowd(isolates.one, { connections: 16 });
      await until("the canary is asked", () => canary.asked > 20);
      harm(canary);
      const status = await until("it is aborted", async () => {
        const status = await isolates.one.status();
        return isAborted(status) && status;
      });
      assert.match(status.latches[0].abort.reason, cause);
      await one.stop();
    }
  });

  await check("a canary that hangs is aborted, although every client disconnects before it responds", async () => {
    const { isolates, canary } = await world({ names: ["one"] }, gated({ gates: { errors: {}, latency: {} } }));
    const one = crowd(isolates.one, { connections: 16, patience: 150 });
    await until("the canary is asked", () => canary.asked > 20);
    canary.delay = 1_000;
    const status = await until("it is aborted", async () => {
      const status = await isolates.one.status();
      return isAborted(status) && status;
    }, 30_000);
    const answers = await one.stop();
    assert.match(status.latches[0].abort.reason, /^latency at /);
    const left = answers.filter(({ lost }) => lost !== undefined).length;
    assert(left > 10, "nobody has left");
    return `${left} clients left; ${status.latches[0].abort.reason}`;
  });

  await check("a step that waits for the gate ends in all isolates once the canary is promotable", async () => {
    const start = new Date(Date.now() - 60_000).toISOString();
    const steps = [{ share: 50, hold: "30s", mode: "gate" }, { share: 100 }];
    const gates = { errors: { unit: "request" }, maxBaselineErrorRate: 50 };
    const { isolates, stable, canary } = await world({ without: ["three"] }, gated({ gates, canary: { start, steps } }));
    let asked = 0;
    for (const one of [stable, canary]) one.answer = () => ((asked += 1) % 3 === 0 ? 500 : 200);
    const crowds = ["one", "two"].map((name) => crowd(isolates[name]));
    await until("the step has ended", async () => {
      const status = await isolates.one.status();
      return status.latches.some((latch) => latch.left?.length === 1);
    });
    await Promise.all(crowds.map((crowd) => crowd.stop()));
    const status = await isolates.one.status();
    assert.equal(status.gates.object.audits[0].verdict, "promotable");
    for (const name of NAMES) {
      await until(`everybody is on the canary in ${name}`, async () => {
        const answers = await Promise.all(Array.from({ length: 10 }, (_, user) => isolates[name].ask("/", { headers: { "x-user-id": `u${user}` } })));
        return answers.every(({ headers }) => headers["x-upstream"] === "canary");
      });
    }
  });

  await check("a shadow whose responses differ is aborted, and gets no more copies", async () => {
    const arms = { stable: { target: "stable" }, canary: { target: "canary" }, dark: { target: "dark" } };
    const shadow = { arm: "dark", percent: 100, compare: "status" };
    const { isolates, stable, canary, dark } = await world({ names: ["one"] }, gated({ arms, shadow, gates: { shadow: { maxDivergence: 1 } } }));
    const one = crowd(isolates.one);
    await until("answers are compared", async () => (await isolates.one.status()).gates.object.watched.web?.shadow.compared > 100);
    assert(!isAborted(await isolates.one.status()));
    dark.status = 404;
    const status = await until("it is aborted", async () => {
      const status = await isolates.one.status();
      return isAborted(status) && status;
    });
    assert.match(status.latches[0].abort.reason, /shadow/);
    // Pending copies may still arrive. Without the abort every request would be copied.
    await until("no more copies come", async () => {
      const at = dark.asked;
      await more(100, stable, canary);
      return dark.asked === at;
    });
    await one.stop();
    return status.latches[0].abort.reason;
  });

  await check("without the binding nothing is judged, as the status page says; without KV latches come from the object", async () => {
    const bare = await world({ names: ["one"], without: ["one"] }, gated());
    bare.canary.status = 500;
    const alone = crowd(bare.isolates.one);
    await more(500, bare.canary);
    await alone.stop();
    const status = await bare.isolates.one.status();
    assert.equal(status.gates.state, "nobody judges: SERIN_GATES is not bound");
    assert.deepEqual([status.latches, status.gates.flushed], [[], 0]);
    assert.match(bare.log(), /without SERIN_GATES nobody judges/);

    const { isolates, canary } = await world({ kv: false, variables: { SERIN_SPEC: gated() } });
    canary.status = 500;
    const crowds = ["one", "two"].map((name) => crowd(isolates[name]));
    await until("it is aborted in both", async () => {
      const both = await Promise.all(["one", "two"].map((name) => isolates[name].status()));
      return both.every(isAborted);
    });
    await Promise.all(crowds.map((crowd) => crowd.stop()));
    // A new isolate reads the object before its first response.
    const { asked } = canary;
    await Promise.all(Array.from({ length: 20 }, (_, user) => isolates.three.ask("/", { headers: { "x-user-id": `u${user}` } })));
    assert.equal(canary.asked, asked);
  });

  await check("an object without its storage is reported, and no request is lost", async () => {
    const { isolates, canary } = await world({ names: ["one"], useSQLite: false }, gated());
    const one = crowd(isolates.one);
    const status = await until("the status page says so", async () => {
      const status = await isolates.one.status();
      return status.gates.state === "the object does not answer" && status.gates.flushesFailed > 0 && status;
    });
    assert.match(status.gates.why, /SQL/);
    const answers = await one.stop();
    assert.deepEqual(answers.filter(({ status }) => status !== 200), []);
    assert(canary.asked > 0 && status.counters.withoutPlan === 0);
    return status.gates.why;
  });

  await check("a record is sent to the webhook, again after a failure", async () => {
    const records = [];
    const hook = await upstream((request, response) => {
      let body = "";
      request.on("data", (chunk) => { body += chunk; });
      request.on("end", () => {
        records.push([request.method, request.headers["content-type"], JSON.parse(body)]);
        // The first call fails.
        response.writeHead(records.length === 1 ? 503 : 204).end();
      });
    });
    for (const url of [hook.origin, await nowhere()]) {
      const { isolates, canary, log } = await world({ names: ["one"], variables: { SERIN_WEBHOOK_URL: `${url}/audit` } }, gated());
      canary.status = 500;
      const one = crowd(isolates.one);
      await until("it is aborted", async () => isAborted(await isolates.one.status()));
      await one.stop();
      if (url === hook.origin) {
        await until("the record is taken", () => records.length > 1);
        // The isolate may not have read the latch yet.
        const { latches, gates } = await isolates.one.status();
        const record = { ...gates.object.audits[0], latches };
        assert.deepEqual(records, [["POST", "application/json", record], ["POST", "application/json", record]]);
      } else {
        await until("the log says so", () => /the webhook did not confirm a record/.test(log()));
      }
    }
  });

  await check("without traffic the object's alarm holds the step; a fault in it is survived", async () => {
    const start = new Date(Date.now() - 1_000).toISOString();
    const steps = [{ share: 50, hold: "90s" }, { share: 100 }];
    const { isolates, object } = await world({ names: ["one"], entry }, gated({ canary: { start, steps } }));
    const one = crowd(isolates.one);
    await until("outcomes are counted", async () => (await isolates.one.status()).gates.object.watched.web?.canary.requests > 100);
    await object("/fault");
    await until("the object goes on", async () => (await isolates.one.status()).gates.state === "judging");
    await one.stop();
    await handedOn(isolates.one);
    await object("/wake?later=62000");
    const status = await isolates.one.status();
    assert.equal(status.latches[0].held, 0, JSON.stringify(status.latches));
    const audits = status.gates.object.audits;
    assert.deepEqual([audits.length, audits[0].verdict], [1, "pause"]);
    assert.match(audits[0].reason, /too few requests a minute/);
  });

  await check("evidence of a rollout is deleted a day after the rollout is removed, its abort stays", async () => {
    const hosts = { web: "shop.example.com", other: "other.example.com" };
    const guarded = (revision, ...names) => {
      const { rollouts, ...rest } = gated({ revision, epoch: 1, onAbort: undefined });
      const of = (name) => [name, { ...rollouts.web, match: { hosts: [hosts[name]] } }];
      return { ...rest, rollouts: Object.fromEntries(names.map(of)) };
    };
    const { isolates: { one, two }, canary, store, object } = await world({ names: ["one", "two"], entry }, guarded(1, "web", "other"));
    const keys = async () => JSON.parse(await (await object("/keys")).text()).filter((key) => key.includes("/"));
    const wake = (days) => object(`/wake?later=${days * 86_400_000 + 1}`);
    const crowds = Object.values(hosts).map((host) => crowd(one, { host }));
    await until("both are watched", async () => (await keys()).length === 4);
    canary.status = 500;
    await until("both are aborted", async () => (await one.status()).latches.filter(({ abort }) => abort).length === 2);
    const { latches } = await one.status();
    await store.put("spec", JSON.stringify(guarded(2, "other")));
    await until("the spec has changed", async () => (await one.status()).spec.revision === 2);
    await Promise.all(crowds.map((crowd) => crowd.stop()));
    await wake(0.9);
    assert.equal((await keys()).length, 4, "it may still come back");
    await wake(1.1);
    assert.deepEqual(await keys(), ["tallies/other", "watch/other"]);
    assert.deepEqual((await one.status()).latches, latches);

    // The rollout returns in the same epoch, to a new isolate.
    await store.put("spec", JSON.stringify(guarded(3, "web", "other")));
    const { asked } = canary;
    await Promise.all(Array.from({ length: 20 }, (_, user) => two.ask("/", { headers: { "x-user-id": `u${user}` } })));
    const status = await two.status();
    assert.deepEqual([status.spec.revision, status.latches, canary.asked], [3, latches, asked]);
  });
}
