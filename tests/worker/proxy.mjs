// Proxying: the Worker forwards requests and responses without a loss or a change.
import { createHash, randomBytes } from "node:crypto";
import net from "node:net";
import zlib from "node:zlib";
import { assert, check, until } from "./check.mjs";
import { require } from "./setup.mjs";
import { CANARY, ask, named, nowhere, spec, upstream, worker } from "./world.mjs";

const { WebSocketServer, WebSocket } = require("ws");
const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");

export async function proxy() {
  await check("each arm's requests go to its target, with Serin's headers", async () => {
    const stable = await named("stable");
    const canary = await named("canary");
    const serin = await worker({
      targets: { stable: stable.origin, canary: canary.origin }, variables: { SERIN_SPEC: spec() },
    });
    assert.equal((await serin.ask("/a?b=c")).text, "stable");
    const forged = { ...CANARY, "x-serin-arm": "forged", "serin-flags": "forged", "x-forwarded-host": "forged" };
    assert.equal((await serin.ask("/a?b=c", { headers: forged })).text, "canary");
    const { url, headers } = canary.requests[0];
    assert.equal(url, "/a?b=c");
    assert.equal(headers["x-serin-arm"], "canary");
    assert.equal(headers["x-serin-rollout"], "web");
    assert.equal(headers["serin-flags"], undefined);
    assert.equal(headers["x-forwarded-host"], "shop.example.com");
    assert.equal(headers["x-forwarded-proto"], "http");
  });

  await check("service bindings get the URL as the client wrote it, and a version key", async () => {
    const script = (name) => `export default { fetch(request) { return new Response(JSON.stringify({
      name: "${name}", url: request.url, arm: request.headers.get("x-serin-arm"),
      key: request.headers.get("cloudflare-workers-version-key") })); } }`;
    const serin = await worker({
      targets: { stable: { service: "STABLE" }, canary: { service: "CANARY" } },
      services: { STABLE: script("stable"), CANARY: script("canary") },
      variables: { SERIN_SPEC: spec({ canary: { share: 100 } }) },
    });
    const seen = JSON.parse((await serin.ask("/x?y", { headers: { "x-user-id": "ada" } })).text);
    assert.equal(seen.name, "canary");
    assert.equal(seen.url, "http://shop.example.com/x?y");
    assert.match(seen.key, /^web\.\d+$/);
    const without = JSON.parse((await serin.ask("/x")).text);
    assert.deepEqual([without.name, without.key], ["stable", null]);
  });

  await check("every method and its body arrive", async () => {
    const target = await upstream((request, response) => {
      const chunks = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", () => response.end(`${request.method} ${sha(Buffer.concat(chunks))}`));
    });
    const serin = await worker({ targets: { stable: target.origin }, variables: { SERIN_SPEC: spec() } });
    for (const method of ["GET", "DELETE", "OPTIONS"]) {
      assert.equal((await serin.ask("/", { method })).text, `${method} ${sha("")}`);
    }
    assert.equal((await serin.ask("/", { method: "HEAD" })).status, 200);
    assert.equal(target.requests.at(-1).method, "HEAD");
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      for (const size of [0, 1, 65_536, 4 * 1024 * 1024]) {
        const body = randomBytes(size);
        const headers = { "content-length": size };
        assert.equal((await serin.ask("/", { method, body, headers })).text, `${method} ${sha(body)}`);
      }
    }
    const chunked = await serin.ask("/", { method: "POST", body: "abc", headers: { "transfer-encoding": "chunked" } });
    assert.equal(chunked.text, `POST ${sha("abc")}`);
  });

  await check("bodies stream both ways, a piece at a time", async () => {
    let heard = "";
    const target = await upstream((request, response) => {
      response.writeHead(200);
      response.write("first;");
      request.on("data", (chunk) => {
        heard += chunk;
        response.write(`echo ${chunk};`);
      });
      request.on("end", () => response.end("last"));
    });
    const serin = await worker({ targets: { stable: target.origin }, variables: { SERIN_SPEC: spec() } });
    const socket = net.connect(serin.port, "127.0.0.1");
    let received = "";
    socket.on("data", (bytes) => { received += bytes; });
    const chunk = (text) => socket.write(`${text.length.toString(16)}\r\n${text}\r\n`);
    socket.write("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n");
    chunk("one");
    await until("the first piece is at the upstream", () => heard === "one");
    await until("its echo is at the client", () => received.includes("echo one;"));
    chunk("two");
    await until("the second echo is at the client", () => received.includes("echo two;"));
    assert(!received.includes("last"));
    socket.write("0\r\n\r\n");
    await until("the end is at the client", () => received.includes("last"));
    socket.destroy();
  });

  await check("several Set-Cookie fields stay separate, with the Worker's own", async () => {
    const target = await upstream((_, response) => {
      response.writeHead(200, [["set-cookie", "a=1; Path=/"], ["set-cookie", "b=2, c"], ["x-dup", "1"], ["x-dup", "2"]]);
      response.end();
    });
    const units = { user: [{ cookie: "uid" }, { anonymous: "serin_id" }] };
    const serin = await worker({
      targets: { stable: target.origin, canary: target.origin },
      variables: { SERIN_SPEC: spec({ canary: { share: 50 } }, { units }) },
    });
    const { headers } = await serin.ask("/");
    assert.equal(headers["set-cookie"].length, 3);
    assert.deepEqual(headers["set-cookie"].slice(0, 2), ["a=1; Path=/", "b=2, c"]);
    assert.match(headers["set-cookie"][2], /^serin_id=[0-9a-f]{32}; Path=\/; Max-Age=31536000; HttpOnly; SameSite=Lax$/);
    assert.equal(headers["x-dup"], "1, 2");
    const again = await serin.ask("/", { headers: { cookie: headers["set-cookie"][2].split(";")[0] } });
    assert.equal(again.headers["set-cookie"].length, 2);
    assert.equal(target.requests[0].headers["x-serin-arm"], target.requests[1].headers["x-serin-arm"]);
  });

  await check("a response with an id is private, unless the settings say otherwise", async () => {
    const target = await upstream((request, response) => {
      const fields = JSON.parse(request.headers["x-answer"]);
      response.writeHead(fields.status ?? 200, fields.list);
      response.end();
    });
    const units = { user: [{ anonymous: "serin_id" }] };
    const of = (variables) => worker({
      targets: { stable: target.origin, canary: target.origin },
      variables: { SERIN_SPEC: spec({ canary: { share: 50 } }, { units }), ...variables },
    });
    const [serin, keeps] = [await of({}), await of({ SERIN_CACHE_CONTROL: "keep" })];
    const shared = [["cache-control", "public, max-age=600"]];
    const twice = [["cache-control", "public"], ["cache-control", "s-maxage=9, max-age=1"]];
    const expires = [["expires", "Thu, 01 Jan 2032 00:00:00 GMT"], ["vary", "cookie"]];
    for (const [list, name, wanted, status] of [
      [shared, "cache-control", "private, max-age=600"],
      [shared, "cache-control", "private, max-age=600", 304],
      [twice, "cache-control", "private, max-age=1"],
      [expires, "cache-control", "private"],
      [[["cache-control", "no-store"]], "cache-control", "no-store"],
      [[["cdn-cache-control", "max-age=9"]], "cdn-cache-control", "no-store"],
      [[["surrogate-control", 'max-age=9, content="ESI/1.0"']], "surrogate-control", 'no-store, content="ESI/1.0"'],
    ]) {
      const { headers } = await serin.ask("/", { headers: { "x-answer": JSON.stringify({ list, status }) } });
      assert.equal(headers["set-cookie"].length, 1);
      assert.equal(headers[name], wanted);
    }
    const answer = { "x-answer": JSON.stringify({ list: shared }) };
    const known = await serin.ask("/", { headers: { ...answer, cookie: `serin_id=${"0".repeat(32)}` } });
    for (const { headers } of [known, await keeps.ask("/", { headers: answer })]) {
      assert.equal(headers["cache-control"], "public, max-age=600");
    }
  });

  await check("two Workers with one key agree on a new id and set one cookie", async () => {
    const units = { user: [{ anonymous: "serin_id" }] };
    const target = await named("origin");
    const of = (to) => worker({
      targets: { stable: to, canary: to },
      variables: {
        SERIN_SPEC: spec({ canary: { share: 50 } }, { units }),
        SERIN_ID_KEY: "YSBzZWNyZXQgZm9yIHZlY3RvcnMsIHRoZSBuZXcgb25lISE",
      },
    });
    const inner = await of(target.origin);
    const outer = await of(`http://127.0.0.1:${inner.port}`);
    const ids = new Set();
    for (let count = 0; count < 20; count += 1) {
      const { headers } = await outer.ask("/");
      assert.equal(headers["set-cookie"].length, 1);
      const cookie = headers["set-cookie"][0].split(";")[0];
      assert.equal(target.requests.at(-1).headers["x-serin-id"], cookie);
      const arm = target.requests.at(-1).headers["x-serin-arm"];
      const again = await outer.ask("/", { headers: { cookie } });
      assert.equal(again.headers["set-cookie"], undefined);
      assert.equal(target.requests.at(-1).headers["x-serin-arm"], arm);
      assert.equal(target.requests.at(-1).headers["x-serin-id"], undefined);
      ids.add(cookie);
    }
    assert.equal(ids.size, 20);
    const forged = await outer.ask("/", { headers: { "x-serin-id": `serin_id=${"0".repeat(32)}` } });
    assert.equal(forged.headers["set-cookie"].length, 1);
  });

  await check("redirects and statuses pass unchanged", async () => {
    const target = await upstream((request, response) => {
      response.writeHead(Number(request.url.slice(1)), { location: "/elsewhere", "x-kept": "yes" });
      response.end();
    });
    const serin = await worker({ targets: { stable: target.origin }, variables: { SERIN_SPEC: spec() } });
    for (const status of [201, 204, 301, 302, 303, 304, 307, 308, 400, 404, 418, 429, 500, 503]) {
      const answer = await serin.ask(`/${status}`);
      assert.equal(answer.status, status);
      assert.equal(answer.headers["x-kept"], "yes");
      if (status > 300 && status < 309 && status !== 304) assert.equal(answer.headers.location, "/elsewhere");
    }
    assert.equal(target.requests.length, 14);
  });

  await check("compressed bodies equal the origin's byte for byte", async () => {
    const plain = Buffer.from("serin ".repeat(10_000));
    const bodies = { gzip: zlib.gzipSync(plain, { level: 1 }), br: zlib.brotliCompressSync(plain), deflate: zlib.deflateSync(plain) };
    const target = await upstream((request, response) => {
      const coding = request.url.slice(1);
      response.writeHead(200, { "content-encoding": coding, "content-length": bodies[coding].length });
      response.end(bodies[coding]);
    });
    const units = { user: [{ anonymous: "serin_id" }] };
    for (const SERIN_SPEC of [spec(), spec({ canary: { share: 50 } }, { units })]) {
      const serin = await worker({
        targets: { stable: target.origin, canary: target.origin }, variables: { SERIN_SPEC },
      });
      for (const coding of ["gzip", "br", "deflate"]) {
        const answer = await serin.ask(`/${coding}`, { headers: { "accept-encoding": "gzip, br, deflate" } });
        assert.equal(answer.headers["content-encoding"], coding);
        assert.equal(sha(answer.bytes), sha(bodies[coding]), coding);
      }
    }
  });

  await check("WebSockets are upgraded and carry messages both ways", async () => {
    const target = await upstream();
    const sockets = new WebSocketServer({ server: target.server });
    sockets.on("connection", (socket, request) => {
      socket.send(`arm ${request.headers["x-serin-arm"]}`);
      socket.on("message", (data, isBinary) => socket.send(isBinary ? data : `echo ${data}`));
    });
    const units = { user: [{ anonymous: "serin_id" }] };
    const shadow = { arm: "canary", percent: 100 };
    for (const SERIN_SPEC of [spec(), spec({ canary: { share: 0 }, shadow }, { units })]) {
      const serin = await worker({
        targets: { stable: target.origin, canary: await nowhere() }, variables: { SERIN_SPEC },
      });
      const socket = new WebSocket(`ws://127.0.0.1:${serin.port}/chat`);
      const messages = [];
      socket.on("message", (data, isBinary) => messages.push(isBinary ? data.length : String(data)));
      await new Promise((open, fail) => { socket.on("open", open); socket.on("error", fail); });
      socket.send("hello");
      socket.send(randomBytes(100_000));
      await until("three messages", () => messages.length === 3);
      assert.deepEqual(messages, ["arm stable", "echo hello", 100_000]);
      socket.close();
    }
    sockets.close();
  });

  await check("an unreachable arm gives 502 with the reason", async () => {
    const stable = await named("stable");
    const serin = await worker({
      targets: { stable: stable.origin, canary: await nowhere() }, variables: { SERIN_SPEC: spec() },
    });
    const answer = await serin.ask("/", { headers: CANARY });
    assert.equal(answer.status, 502);
    assert.equal(answer.headers["x-serin-error"], "target-unreachable; arm=canary");
    assert.equal(answer.headers["cache-control"], "no-store");
    const posted = await serin.ask("/", { headers: CANARY, method: "POST", body: "x" });
    assert.equal(posted.status, 502);
    assert.equal((await serin.ask("/")).text, "stable");
    assert.equal((await serin.status()).counters.unreachable, 2);
  });

  await check("with `fallback: baseline` the baseline gets requests that can be repeated", async () => {
    const stable = await named("stable");
    const serin = await worker({
      targets: { stable: stable.origin, canary: await nowhere() },
      variables: { SERIN_SPEC: spec({ fallback: "baseline" }) },
    });
    assert.equal((await serin.ask("/", { headers: CANARY })).text, "stable");
    assert.equal(stable.requests[0].headers["x-serin-arm"], "stable");
    assert.equal((await serin.ask("/", { headers: CANARY, method: "DELETE" })).text, "stable");
    assert.equal((await serin.ask("/", { headers: CANARY, method: "POST", body: "x" })).status, 502);
    assert.equal((await serin.ask("/", { headers: CANARY, method: "PUT", body: "x" })).status, 502);
    assert.equal(stable.requests.length, 2);
    assert.equal((await serin.status()).counters.fallbacks, 2);
  });

  await check("an arm without a target goes to the baseline, and the status page says so", async () => {
    const stable = await named("stable");
    const serin = await worker({ targets: { stable: stable.origin }, variables: { SERIN_SPEC: spec() } });
    assert.equal((await serin.ask("/", { headers: CANARY })).text, "stable");
    assert.equal(stable.requests[0].headers["x-serin-arm"], "stable");
    assert.equal((await serin.status()).counters.unmapped, 1);
    assert.match(serin.log(), /SERIN_TARGETS has no target canary/);
  });

  await check("a client that disconnects affects no other request", async () => {
    const target = await upstream((request, response) => {
      if (request.url === "/quick") return response.end("quick");
      response.write("x".repeat(100_000));
      const more = setInterval(() => response.write("y"), 10);
      response.on("close", () => clearInterval(more));
    });
    const serin = await worker({ targets: { stable: target.origin }, variables: { SERIN_SPEC: spec() } });
    for (let round = 0; round < 20; round += 1) {
      const socket = net.connect(serin.port, "127.0.0.1");
      socket.write("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n");
      await new Promise((seen) => { socket.once("data", seen); });
      socket.destroy();
      const half = net.connect(serin.port, "127.0.0.1");
      half.write("POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nabc");
      setTimeout(() => half.destroy(), 20);
    }
    assert.equal((await serin.ask("/quick")).text, "quick");
  });

  await check("1,000 concurrent requests are routed correctly", async () => {
    const stable = await named("stable");
    const canary = await named("canary");
    const serin = await worker({
      targets: { stable: stable.origin, canary: canary.origin }, variables: { SERIN_SPEC: spec() },
    });
    const answers = await Promise.all(Array.from({ length: 1000 }, (_, at) => (
      ask(serin.port, `/${at}`, { headers: at % 2 === 0 ? CANARY : {} }))));
    answers.forEach((answer, at) => assert.equal(answer.text, at % 2 === 0 ? "canary" : "stable"));
  });
}
