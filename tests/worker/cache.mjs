// The response cache: responses are cached for each arm and revision separately.
import { assert, check, until } from "./check.mjs";
import { CANARY, spec, upstream, worker } from "./world.mjs";

export async function cache() {
  await check("a cached response serves only its arm and revision", async () => {
    let served = 0;
    const target = await upstream((request, response) => {
      served += 1;
      const own = request.url.startsWith("/private");
      response.setHeader("cache-control", own ? "private" : "max-age=60");
      if (request.url.startsWith("/vary")) response.setHeader("vary", "cookie");
      if (request.url.startsWith("/cookie")) response.setHeader("set-cookie", "a=b");
      response.end(`${request.headers["x-serin-arm"]} ${served}`);
    });
    const serin = await worker({
      targets: { stable: target.origin, canary: target.origin },
      variables: { SERIN_CACHE: "1", SERIN_SPEC: spec() },
    });
    const hits = async () => (await serin.status()).counters.cacheHits;
    const first = (await serin.ask("/page")).text;
    assert.equal(first, "stable 1");
    await until("it is kept", async () => (await serin.ask("/page")).text === first && await hits() > 0);
    const canary = (await serin.ask("/page", { headers: CANARY })).text;
    assert.match(canary, /^canary /);
    await until("the canary's is kept", async () => (await serin.ask("/page", { headers: CANARY })).text === canary);
    assert.equal((await serin.ask("/page")).text, first);
    for (const path of ["/private", "/vary", "/cookie"]) {
      const before = (await serin.ask(path)).text;
      await new Promise((wake) => { setTimeout(wake, 50); });
      assert.notEqual((await serin.ask(path)).text, before, path);
    }
    const before = served;
    await serin.ask("/page", { method: "POST", body: "x" });
    await serin.ask("/page", { headers: { authorization: "Bearer x" } });
    assert.equal(served, before + 2);
  });
}
