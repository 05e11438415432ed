// The source of the spec in force, its updates, and the status page.
import { readFileSync } from "node:fs";
import { assert, check, pause, until } from "./check.mjs";
import { CANARY, ask, named, spec, worker } from "./world.mjs";

const QUICK = { SERIN_REFRESH_SECONDS: "0" };

/** A spec that sends every request to one arm. */
function all(arm, revision) {
  return spec({ canary: { share: arm === "canary" ? 100 : 0 } }, { revision });
}

const USER = { "x-user-id": "ada" };

/** The module that lets a request set the isolate's clock. */
const timed = {
  type: "ESModule", path: "entry.js",
  contents: readFileSync(new URL("./entry.mjs", import.meta.url)).toString(),
};

export async function config() {
  await check("a clock that goes back holds the step, in the next spec and for OFREP too", async () => {
    const start = Date.parse("2026-11-21T09:00:00Z");
    const stable = await named("stable");
    const canary = await named("canary");
    const steps = { start: "2026-11-21T09:00:00Z", steps: [{ share: 100 }] };
    const flags = {
      cart: { kind: "ops", variants: { on: true, off: false }, defaultVariant: "off", rules: [{ ramp: { variant: "on", ...steps } }] },
    };
    const stepped = (revision) => spec({ canary: steps }, { revision, flags });
    const serin = await worker({
      entry: timed, kv: true, targets: { stable: stable.origin, canary: canary.origin },
      variables: { ...QUICK, SERIN_OFREP_PREFIX: "/flags" },
    });
    const store = await serin.kv();
    await store.put("spec", JSON.stringify(stepped(1)));
    const at = (now) => ({ "mf-cf-blob": JSON.stringify({ test: { now } }) });
    const arm = async (now) => (await serin.ask("/", { headers: { ...USER, ...at(now) } })).text;
    const cart = async (now) => {
      const body = JSON.stringify({ context: { targetingKey: "ada" } });
      const answer = await serin.ask("/flags/ofrep/v1/evaluate/flags/cart", { method: "POST", body, headers: at(now) });
      return JSON.parse(answer.text).variant;
    };
    assert.deepEqual([await arm(start - 1), await cart(start - 1)], ["stable", "off"]);
    assert.deepEqual([await arm(start), await cart(start)], ["canary", "on"]);
    assert.deepEqual([await arm(start - 1), await cart(start - 1)], ["canary", "on"]);
    await store.put("spec", JSON.stringify(stepped(2)));
    await until("the next spec is in force", async () => {
      await serin.ask("/", { headers: { ...USER, ...at(start + 60_000) } });
      return (await serin.status()).spec.revision === 2;
    });
    assert.deepEqual([await arm(start - 1), await cart(start - 1)], ["canary", "on"]);
  });

  await check("KV has precedence over the variable, the variable over the bundled spec", async () => {
    const stable = await named("stable");
    const canary = await named("canary");
    const targets = { stable: stable.origin, canary: canary.origin };
    const variables = { SERIN_SPEC: all("stable", 2) };
    const bundled = all("stable", 1);
    const source = async (serin) => {
      await serin.ask("/");
      const { spec } = await serin.status();
      return [spec?.source, spec?.revision];
    };
    const built = await worker({ targets, bundled });
    assert.deepEqual(await source(built), ["bundled", 1]);
    const varied = await worker({ targets, bundled, variables });
    assert.deepEqual(await source(varied), ["variable", 2]);
    const kept = await worker({ targets, bundled, variables, kv: true });
    await (await kept.kv()).put("spec", JSON.stringify(all("canary", 3)));
    assert.deepEqual(await source(kept), ["kv", 3]);
    const empty = await worker({ targets, bundled, variables, kv: true });
    assert.deepEqual(await source(empty), ["variable", 2]);
    assert.match((await empty.status()).problem, /the KV key spec holds nothing/);
  });

  await check("without any spec every request goes to the baseline", async () => {
    const stable = await named("stable");
    const serin = await worker({ targets: { stable: stable.origin } });
    assert.equal((await serin.ask("/", { headers: { ...CANARY, "x-serin-arm": "forged" } })).text, "stable");
    assert.equal(stable.requests[0].headers["x-serin-arm"], undefined);
    const status = await serin.status();
    assert.equal(status.spec, null);
    assert.equal(status.counters.withoutPlan, 1);
  });

  await check("a bad spec at start falls back to the next source", async () => {
    const stable = await named("stable");
    const serin = await worker({
      targets: { stable: stable.origin }, kv: true, variables: { SERIN_SPEC: "{" }, bundled: all("stable", 1),
    });
    await (await serin.kv()).put("spec", '{"formatVersion":1,"rolouts":{}}');
    assert.equal((await serin.ask("/")).text, "stable");
    const status = await serin.status();
    assert.deepEqual([status.spec.source, status.spec.revision], ["bundled", 1]);
    assert.match(status.problem, /did you mean rollouts\?/);
    assert.equal(status.counters.specsRefused, 2);
  });

  await check("a new spec takes effect after a response, a bad one never does", async () => {
    const stable = await named("stable");
    const canary = await named("canary");
    const serin = await worker({
      targets: { stable: stable.origin, canary: canary.origin }, kv: true, variables: QUICK,
    });
    const kv = await serin.kv();
    const arm = async () => (await serin.ask("/", { headers: USER })).text;
    await kv.put("spec", JSON.stringify(all("stable", 1)));
    assert.equal(await arm(), "stable");
    await kv.put("spec", JSON.stringify(all("canary", 2)));
    // Miniflare's KV may return the old value once.
    await until("the new spec is in force", async () => (await arm()) === "canary");
    for (const bad of ["{", "null", "[]", '{"formatVersion":99}', "\u0000", "x".repeat(100_000)]) {
      await kv.put("spec", bad);
      const before = (await serin.status()).counters.specsRefused;
      await until("the bad spec was looked at", async () => {
        assert.equal(await arm(), "canary");
        return (await serin.status()).counters.specsRefused > before;
      });
      const status = await serin.status();
      assert.equal(status.spec.revision, 2);
      assert.match(status.problem, /refused/);
    }
    await kv.delete("spec");
    await until("the missing key is noticed", async () => {
      assert.equal(await arm(), "canary");
      return /holds nothing/.test((await serin.status()).problem);
    });
    await kv.put("spec", JSON.stringify(all("stable", 3)));
    await until("the good spec is in force", async () => (await arm()) === "stable");
    assert.equal((await serin.status()).problem, undefined);
    assert.match(serin.log(), /spec from kv refused/);
  });

  await check("1,000 requests during updates get no error and no mixed decision", async () => {
    const stable = await named("stable");
    const canary = await named("canary");
    const serin = await worker({
      targets: { stable: stable.origin, canary: canary.origin },
      kv: true,
      variables: { ...QUICK, SERIN_EXPOSE_DECISION: "1" },
    });
    const kv = await serin.kv();
    const put = (revision) => kv.put("spec", JSON.stringify(all(revision % 2 === 0 ? "canary" : "stable", revision)));
    await put(1);
    await serin.ask("/");
    let running = true;
    const updates = (async () => {
      for (let revision = 2; running; revision += 1) {
        await put(revision);
        await pause(5);
      }
    })();
    const revisions = new Set();
    await Promise.all(Array.from({ length: 50 }, async () => {
      for (let round = 0; round < 20; round += 1) {
        const answer = await ask(serin.port, "/", { headers: USER });
        assert.equal(answer.status, 200);
        const decision = JSON.parse(answer.headers["serin-decision"]);
        revisions.add(decision.revision);
        const arm = decision.revision % 2 === 0 ? "canary" : "stable";
        assert.equal(decision.rollout.arm, arm);
        assert.equal(answer.text, arm);
      }
    }));
    running = false;
    await updates;
    assert(revisions.size > 2, `only revisions ${[...revisions]} were seen`);
    return `${revisions.size} revisions`;
  });

  await check("the status page needs its token", async () => {
    const stable = await named("stable");
    const serin = await worker({
      targets: { stable: stable.origin, odd: "nonsense" },
      variables: { SERIN_SPEC: spec({}, { deploy: { id: "d1", gitSha: "abc" } }) },
    });
    for (const headers of [{}, { authorization: "Bearer wrong" }, { authorization: "Basic token" }]) {
      const answer = await serin.ask("/.serin/status", { headers });
      assert.deepEqual([answer.status, answer.headers["www-authenticate"]], [401, "Bearer"]);
    }
    await serin.ask("/", { headers: CANARY });
    const status = await serin.status();
    assert.equal(status.spec.deployId, "d1");
    assert.equal(status.spec.gitSha, "abc");
    assert.match(status.spec.digest, /^[0-9a-f]{16}$/);
    assert.deepEqual(status.settingsProblems, ["SERIN_TARGETS.odd does not begin with https:// or http://"]);
    assert.deepEqual(status.rollouts.web.requests, { canary: 1, stable: 0 });
    const closed = await worker({ targets: { stable: stable.origin }, variables: { SERIN_STATUS_TOKEN: "" } });
    assert.equal((await closed.ask("/.serin/status", { headers: { authorization: "Bearer " } })).text, "stable");
  });
}
