// OFREP, the protocol for flags in applications: with the stock OpenFeature clients, and by itself.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, atEnd, check, until } from "./check.mjs";
import { prepared, require } from "./setup.mjs";
import { ask, named, worker } from "./world.mjs";

const server = require("@openfeature/server-sdk");
const { OFREPProvider } = require("@openfeature/ofrep-provider");
const web = require("@openfeature/web-sdk");
const { OFREPWebProvider } = require("@openfeature/ofrep-web-provider");

const SPEC = {
  formatVersion: 1,
  revision: 9,
  units: { user: [{ header: "x-user-id" }] },
  flags: {
    checkout: {
      kind: "ops", variants: { on: true, off: false }, defaultVariant: "off",
      rules: [{ name: "pro", when: { attribute: "header.x-plan", equals: "pro" }, serve: "on" }],
    },
    "theme": {
      kind: "ops", variants: { dark: { color: "#000", size: 2 }, light: { color: "#fff", size: 1 } }, defaultVariant: "light",
      rules: [{ name: "all", unit: "user", split: { dark: 100, light: 0 } }],
    },
    greeting: { kind: "ops", variants: { a: "grüß dich" }, defaultVariant: "a" },
    limit: { kind: "ops", variants: { a: 42 }, defaultVariant: "a" },
  },
};

async function flagged(variables = {}) {
  const stable = await named("stable");
  const serin = await worker({
    targets: { stable: stable.origin },
    variables: { SERIN_SPEC: SPEC, SERIN_OFREP_PREFIX: "/flags", SERIN_OFREP_ORIGINS: "https://app.example", ...variables },
  });
  return { serin, baseUrl: `http://127.0.0.1:${serin.port}/flags` };
}

export async function ofrep() {
  await check("the stock server client evaluates flags of every type", async () => {
    const { baseUrl } = await flagged();
    await server.OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl }));
    const client = server.OpenFeature.getClient();
    const pro = { targetingKey: "ada", "header.x-plan": "pro" };
    const checkout = await client.getBooleanDetails("checkout", false, pro);
    assert.deepEqual([checkout.value, checkout.variant, checkout.reason], [true, "on", "TARGETING_MATCH"]);
    assert.equal(checkout.flagMetadata.revision, 9);
    assert.equal(await client.getBooleanValue("checkout", true, { targetingKey: "ada" }), false);
    assert.equal(await client.getStringValue("greeting", "", pro), "grüß dich");
    assert.equal(await client.getNumberValue("limit", 0, pro), 42);
    assert.deepEqual(await client.getObjectValue("theme", {}, pro), { color: "#000", size: 2 });
    const unknown = await client.getBooleanDetails("no-such", true, pro);
    assert.deepEqual([unknown.value, unknown.errorCode], [true, "FLAG_NOT_FOUND"]);
    const nobody = await client.getObjectDetails("theme", { own: 1 }, {});
    assert.deepEqual([nobody.value, nobody.errorCode], [{ own: 1 }, "TARGETING_KEY_MISSING"]);
    const wrong = await client.getStringDetails("limit", "own", pro);
    assert.deepEqual([wrong.value, wrong.errorCode], ["own", "TYPE_MISMATCH"]);
    await server.OpenFeature.close();
  });

  await check("the stock web client evaluates all flags at once and revalidates by ETag", async () => {
    const { serin, baseUrl } = await flagged();
    const statuses = [];
    const fetchImplementation = async (...request) => {
      const response = await fetch(...request);
      statuses.push(response.status);
      return response;
    };
    await web.OpenFeature.setContext({ targetingKey: "ada", "header.x-plan": "pro" });
    const provider = new OFREPWebProvider({ baseUrl, pollInterval: 100, fetchImplementation });
    await web.OpenFeature.setProviderAndWait(provider);
    const client = web.OpenFeature.getClient();
    assert.equal(client.getBooleanValue("checkout", false), true);
    assert.deepEqual(client.getObjectValue("theme", {}), { color: "#000", size: 2 });
    assert.equal(client.getStringValue("greeting", ""), "grüß dich");
    assert.equal(client.getBooleanDetails("no-such", true).errorCode, "FLAG_NOT_FOUND");
    await web.OpenFeature.setContext({ targetingKey: "ada" });
    assert.equal(client.getBooleanValue("checkout", true), false);
    await until("an unchanged answer is not sent again", () => statuses.includes(304));
    await web.OpenFeature.close();
    assert((await serin.status()).counters.evaluations >= 3);
  });

  await check("errors have the protocol's codes and statuses", async () => {
    const { serin } = await flagged();
    const path = "/flags/ofrep/v1/evaluate/flags";
    const post = (to, body, headers = {}) => serin.ask(to, { method: "POST", body, headers });
    for (const [to, body, status, code] of [
      [`${path}/no%2Fsuch`, "{}", 404, "FLAG_NOT_FOUND"],
      [`${path}/checkout`, "{", 400, "PARSE_ERROR"],
      [`${path}/checkout`, '{"context":7}', 400, "INVALID_CONTEXT"],
      [path, '{"context":{"targetingKey":7}}', 400, "INVALID_CONTEXT"],
      [`${path}/theme`, '{"context":{}}', 400, "TARGETING_KEY_MISSING"],
      [path, "x".repeat(70_000), 413, "GENERAL"],
    ]) {
      const answer = await post(to, body);
      const seen = JSON.parse(answer.text);
      assert.deepEqual([answer.status, seen.errorCode], [status, code], to);
      assert.equal(answer.headers["content-type"], "application/json; charset=utf-8");
    }
    assert.equal(JSON.parse((await post(`${path}/no%2Fsuch`, "{}")).text).key, "no/such");
    assert.equal((await serin.ask(path)).status, 405);
    assert.equal((await serin.ask("/flags/ofrep/v1/elsewhere")).text, "stable");
    const bulk = JSON.parse((await post(path, '{"context":{}}')).text);
    assert.equal(bulk.flags.length, 4);
    assert.equal(bulk.flags.find((flag) => flag.key === "theme").errorCode, "TARGETING_KEY_MISSING");
  });

  await check("CORS allows the configured origins, and requests need a token", async () => {
    const { serin } = await flagged({ SERIN_OFREP_TOKEN: "secret" });
    const path = "/flags/ofrep/v1/evaluate/flags";
    const origin = "https://app.example";
    const preflight = await serin.ask(path, { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST" } });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers["access-control-allow-origin"], origin);
    assert.match(preflight.headers["access-control-allow-headers"], /if-none-match/);
    const other = await serin.ask(path, { method: "OPTIONS", headers: { origin: "https://evil.example" } });
    assert.equal(other.headers["access-control-allow-origin"], undefined);
    assert.equal((await serin.ask(path, { method: "POST", body: "{}" })).status, 401);
    for (const headers of [{ authorization: "Bearer secret" }, { "x-api-key": "secret" }]) {
      const answer = await serin.ask(path, { method: "POST", body: "{}", headers: { ...headers, origin } });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers["access-control-expose-headers"], "etag");
    }
    const closed = await worker({ targets: { stable: serin.origin ?? "http://127.0.0.1:1" }, variables: { SERIN_SPEC: SPEC } });
    assert.equal((await closed.ask("/ofrep/v1/evaluate/flags", { method: "POST", body: "{}" })).status, 502);
  });
}

/** `serin serve` with the same spec, as a second host of the protocol. */
function served(spec) {
  const folder = mkdtempSync(join(tmpdir(), "serin-serve-"));
  const file = join(folder, "spec.json");
  writeFileSync(file, JSON.stringify(spec));
  const child = spawn(prepared("SERIN_BIN"), ["serve", file, "--ofrep=/flags", "--listen", "127.0.0.1:0", "--default", "http://127.0.0.1:1"]);
  atEnd(async () => {
    child.kill();
    rmSync(folder, { recursive: true, force: true });
  });
  return new Promise((resolve, reject) => {
    let said = "";
    const hear = (bytes) => {
      said += bytes;
      const found = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(said);
      if (found) resolve(Number(found[1]));
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("error", reject);
    child.on("exit", () => reject(new Error(said)));
  });
}

export async function ofrepServed() {
  await check("serin serve evaluates flags as the Worker does, byte for byte", async () => {
    const { serin } = await flagged({ SERIN_OFREP_ORIGINS: "*" });
    const port = await served(SPEC);
    const path = "/flags/ofrep/v1/evaluate/flags";
    let compared = 0;
    for (const [method, to, body, headers] of [
      ["POST", path, '{"context":{"targetingKey":"ada","header.x-plan":"pro"}}', {}],
      ["POST", path, "{}", { origin: "https://a.example" }],
      ["POST", `${path}/theme`, '{"context":{"targetingKey":"ben"}}', {}],
      ["POST", `${path}/theme`, "{}", {}],
      ["POST", `${path}/no-such`, "{}", {}],
      ["POST", path, "{", {}],
      ["POST", path, "x".repeat(70_000), {}],
      ["GET", path, undefined, {}],
      ["OPTIONS", path, undefined, { origin: "https://a.example" }],
    ]) {
      const [here, there] = await Promise.all([serin.port, port].map((at) => ask(at, to, { method, body, headers })));
      assert.deepEqual([here.status, here.text], [there.status, there.text], `${method} ${to} ${body?.slice(0, 60)}`);
      for (const name of ["etag", "content-type", "access-control-allow-origin", "allow", "vary"]) {
        assert.equal(here.headers[name], there.headers[name], name);
      }
      if (here.headers.etag !== undefined) {
        const again = await ask(port, to, { method, body, headers: { "if-none-match": here.headers.etag } });
        assert.equal(again.status, 304);
      }
      compared += 1;
    }
    return `${compared} requests`;
  });
}
