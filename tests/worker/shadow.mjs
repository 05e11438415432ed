// Copies of requests to a shadow arm. They must not affect the client.
import { randomBytes } from "node:crypto";
import zlib from "node:zlib";
import { assert, check, pause, until } from "./check.mjs";
import { named, nowhere, spec, upstream, worker } from "./world.mjs";

/** A spec that copies every request to `dark`. */
function shadowed(shadow = {}) {
  const arms = { stable: { target: "stable" }, canary: { target: "canary" }, dark: { target: "dark" } };
  const methods = ["GET", "HEAD", "POST", "PUT"];
  return spec({ arms, shadow: { arm: "dark", percent: 100, methods, ...shadow } });
}

const USER = { "x-user-id": "ada" };

/** An upstream that reads the body and responds. */
function eager() {
  return upstream((request, response) => {
    request.resume();
    request.on("end", () => response.end("stable"));
  });
}

async function median(rounds, ask) {
  const times = [];
  for (let round = 0; round < rounds; round += 1) {
    const start = performance.now();
    await ask();
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[Math.floor(rounds / 2)];
}

export async function shadow() {
  await check("a copy carries method, path, body and Serin's headers", async () => {
    const stable = await eager();
    const bodies = [];
    const dark = await upstream((request, response) => {
      let body = "";
      request.on("data", (chunk) => { body += chunk; });
      request.on("end", () => { bodies.push(body); response.end("other"); });
    });
    const serin = await worker({
      targets: { stable: stable.origin, dark: dark.origin }, variables: { SERIN_SPEC: shadowed() },
    });
    await serin.ask("/a?b", { headers: USER });
    await serin.ask("/c", { headers: USER, method: "POST", body: "hello" });
    await until("both copies are there", () => bodies.length === 2);
    assert.deepEqual(dark.requests.map((seen) => [seen.method, seen.url]), [["GET", "/a?b"], ["POST", "/c"]]);
    assert.deepEqual(bodies, ["", "hello"]);
    assert.equal(dark.requests[0].headers["x-serin-shadow"], "dark");
    assert.equal(dark.requests[0].headers["x-serin-arm"], "stable");
    const counted = await until("both are counted", async () => {
      const { shadow } = (await serin.status()).rollouts.web;
      return shadow.inFlight === 0 && shadow;
    });
    assert.deepEqual(counted, { sent: 2, skipped: 0, failed: 0, compared: 0, diverged: 0, inFlight: 0 });
  });

  await check("upgrades, other methods, and bodies that are large or of unknown length are not copied", async () => {
    const stable = await eager();
    const dark = await named("dark");
    const serin = await worker({
      targets: { stable: stable.origin, dark: dark.origin }, variables: { SERIN_SPEC: shadowed() },
    });
    await serin.ask("/", { headers: USER, method: "DELETE" });
    await serin.ask("/", { headers: USER, method: "POST", body: randomBytes(65_537) });
    await serin.ask("/", { headers: { ...USER, "transfer-encoding": "chunked" }, method: "POST", body: "x" });
    await serin.ask("/", { headers: { ...USER, upgrade: "h2c", connection: "upgrade" } }).catch(() => {});
    await pause(100);
    assert.equal(dark.requests.length, 0);
    assert.equal((await serin.status()).rollouts.web.shadow.sent, 0);
  });

  // Each holds the copies until it is released, so a response that waited for a copy would not arrive.
  const shadows = {
    "never answering": (held) => upstream((request, response) => {
      request.resume();
      held.push(() => response.end("late"));
    }),
    "never reading": (held) => upstream((request, response) => {
      request.pause();
      held.push(() => { request.resume(); response.end("late"); });
    }),
  };
  for (const [how, make] of Object.entries(shadows)) {
    await check(`clients never wait for a shadow that is ${how}`, async () => {
      const stable = await eager();
      const lines = [];
      for (const [label, size] of [["no body", 0], ["64 KB", 65_536], ["4 MB", 4 * 1024 * 1024]]) {
        const body = size === 0 ? undefined : randomBytes(size);
        const method = size === 0 ? "GET" : "POST";
        const variables = { SERIN_SHADOW_TIMEOUT_MS: "30000", SERIN_SHADOW_BODY_BYTES: "5000000" };
        const measure = async (spec, dark) => {
          const serin = await worker({
            targets: { stable: stable.origin, dark }, variables: { SERIN_SPEC: spec, ...variables },
          });
          const middle = await median(30, async () => {
            const answer = await serin.ask("/", { headers: USER, method, body });
            assert.deepEqual([answer.status, answer.text], [200, "stable"]);
          });
          return { serin, middle };
        };
        const without = await measure(spec(), await nowhere());
        const held = [];
        const shadow = await make(held);
        const beside = await measure(shadowed({ compare: "body", maxInFlight: 4 }), shadow.origin);
        await until("copies are under way", () => held.length === 4);
        const { sent, inFlight, compared } = (await beside.serin.status()).rollouts.web.shadow;
        assert.deepEqual([sent, inFlight, compared], [4, 4, 0], "thirty answers came, and no copy was over");
        for (const release of held) release();
        const over = await until("the copies are over", async () => {
          const { shadow } = (await beside.serin.status()).rollouts.web;
          return shadow.inFlight === 0 && shadow;
        });
        assert.deepEqual([over.failed, over.compared, over.diverged], [0, 4, 4]);
        lines.push(`${label} ${without.middle.toFixed(1)} → ${beside.middle.toFixed(1)} ms`);
      }
      return lines.join(", ");
    });
  }

  await check("an unreachable shadow only increments an error counter", async () => {
    const stable = await eager();
    const serin = await worker({
      targets: { stable: stable.origin, dark: await nowhere() },
      variables: { SERIN_SPEC: shadowed({ compare: "body" }) },
    });
    for (const body of [undefined, randomBytes(65_536)]) {
      const method = body === undefined ? "GET" : "POST";
      const answer = await serin.ask("/", { headers: USER, method, body });
      assert.deepEqual([answer.status, answer.text], [200, "stable"]);
    }
    await until("both are counted", async () => (await serin.status()).rollouts.web.shadow.failed === 2);
  });

  await check("copies in flight are limited to maxInFlight, and ended ones make room", async () => {
    const stable = await eager();
    let open = 0;
    let most = 0;
    const dark = await upstream((request, response) => {
      open += 1;
      most = Math.max(most, open);
      response.on("close", () => { open -= 1; });
    });
    const serin = await worker({
      targets: { stable: stable.origin, dark: dark.origin },
      variables: { SERIN_SPEC: shadowed({ maxInFlight: 3 }), SERIN_SHADOW_TIMEOUT_MS: "5000" },
    });
    await Promise.all(Array.from({ length: 20 }, () => serin.ask("/", { headers: USER })));
    const first = (await serin.status()).rollouts.web.shadow;
    assert.deepEqual([first.sent, first.skipped], [3, 17]);
    await until("the time is up for all", async () => (await serin.status()).rollouts.web.shadow.failed === 3);
    await serin.ask("/", { headers: USER });
    assert.equal((await serin.status()).rollouts.web.shadow.sent, 4);
    assert.equal(most, 3);
  });

  await check("differences in status and body are counted", async () => {
    const answers = (offset) => (request, response) => {
      const [, status, body] = request.url.split("/");
      response.writeHead(Number(status) + (body === "status" ? offset : 0));
      response.end(body === "body" ? `body ${offset}` : "same");
    };
    const stable = await upstream(answers(0));
    const dark = await upstream(answers(1));
    for (const [compare, paths, compared, diverged] of [
      ["none", ["/200/same", "/200/body"], 0, 0],
      ["status", ["/200/same", "/200/body", "/500/status"], 3, 1],
      ["body", ["/200/same", "/200/body", "/500/status", "/404/same"], 4, 2],
    ]) {
      const serin = await worker({
        targets: { stable: stable.origin, dark: dark.origin }, variables: { SERIN_SPEC: shadowed({ compare }) },
      });
      for (const path of paths) await serin.ask(path, { headers: USER });
      const { shadow } = (await until("all are over", async () => {
        const status = await serin.status();
        return status.rollouts.web.shadow.inFlight === 0 && status;
      })).rollouts.web;
      assert.deepEqual([shadow.compared, shadow.diverged], [compared, diverged], compare);
    }
  });

  await check("comparing bodies does not truncate a large compressed response", async () => {
    const plain = randomBytes(300_000).toString("hex");
    const body = zlib.gzipSync(plain);
    const stable = await upstream((_, response) => {
      response.writeHead(200, { "content-encoding": "gzip" });
      response.end(body);
    });
    const dark = await upstream((_, response) => response.end(plain));
    const serin = await worker({
      targets: { stable: stable.origin, dark: dark.origin }, variables: { SERIN_SPEC: shadowed({ compare: "body" }) },
    });
    const answer = await serin.ask("/", { headers: { ...USER, "accept-encoding": "gzip" } });
    const received = answer.headers["content-encoding"] === "gzip" ? zlib.gunzipSync(answer.bytes) : answer.bytes;
    assert.equal(received.toString(), plain);
    const { shadow } = (await until("it is over", async () => {
      const status = await serin.status();
      return status.rollouts.web.shadow.inFlight === 0 && status;
    })).rollouts.web;
    assert.deepEqual([shadow.compared, shadow.diverged], [1, 0]);
    return answer.bytes.equals(body) ? "the bytes are the origin's" : "compressed again by the platform";
  });
}
