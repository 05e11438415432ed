// What counts as an outcome of an arm: uploads that clients break off or send slowly, targets that do not answer, and
// bodies that break.
import { createHash, randomBytes } from "node:crypto";
import net from "node:net";
import zlib from "node:zlib";
import { assert, atEnd, check, pause, until } from "./check.mjs";
import { crowd } from "./fleet.mjs";
import { gated, isAborted, world } from "./gates.mjs";
import { require } from "./setup.mjs";
import { upstream } from "./world.mjs";

const { WebSocket, WebSocketServer } = require("ws");

/** Ids of users on the canary. */
async function canaryUsers(isolate, count) {
  const users = [];
  for (let user = 0; users.length < count; user += 1) {
    const id = `chosen-${user}`;
    if ((await isolate.ask("/", { headers: { "x-user-id": id } })).headers["x-upstream"] === "canary") users.push(id);
  }
  return users;
}

/** Begins an upload. `end` completes it, `leave` breaks it off. */
function upload(port, user, { chunked = false, path = "/" } = {}) {
  const socket = net.connect(port, "127.0.0.1");
  let received = "";
  socket.on("data", (bytes) => { received += bytes; });
  socket.on("error", () => {});
  const length = chunked ? "transfer-encoding: chunked" : "content-length: 40";
  const write = (text) => socket.write(chunked ? `${text.length.toString(16)}\r\n${text}\r\n` : text);
  socket.write(`POST ${path} HTTP/1.1\r\nhost: shop.example.com\r\nx-user-id: ${user}\r\n${length}\r\n\r\n`);
  write("x".repeat(20));
  return {
    leave: () => socket.destroy(),
    async end() {
      write("y".repeat(20));
      if (chunked) socket.write("0\r\n\r\n");
      await until("the response", () => received.includes("\r\n\r\n"));
      socket.destroy();
      return received;
    },
  };
}

const aborted = (isolate, milliseconds) => until("it is aborted", async () => {
  const status = await isolate.status();
  return isAborted(status) && status;
}, milliseconds);

export async function outcomes() {
  await check("uploads that clients break off do not abort a healthy canary, and reach it broken", async () => {
    const { isolates: { one }, canary, log } = await world({ names: ["one"] }, gated());
    const users = await canaryUsers(one, 200);
    const steady = crowd(one, { connections: 2 });
    for (let at = 0; at < users.length; at += 20) {
      const uploads = users.slice(at, at + 20).map((user, index) => upload(one.port, user, { chunked: index % 2 === 0 }));
      await pause(60);
      uploads.forEach(({ leave }) => leave());
    }
    await until("all are noticed", async () => (await one.status()).counters.uploadsBroken === users.length);
    await pause(2_500);
    await steady.stop();
    const status = await one.status();
    assert(!isAborted(status), "clients have aborted a healthy canary");
    assert.equal(status.gates.object.watched.web.canary.errors, 0);
    assert.equal(canary.posted, 0, "a broken upload reached the canary as a whole one");
    assert(!/could not be reached/.test(log()));
    return `${users.length} uploads broken off, canary: ${JSON.stringify(status.gates.object.watched.web.canary)}`;
  });

  await check("a canary that breaks uploads is aborted", async () => {
    const { isolates: { one }, canary } = await world({ names: ["one"] }, gated());
    const users = await canaryUsers(one, 60);
    canary.breaks = true;
    const steady = crowd(one, { connections: 2 });
    let sent = 0;
    const sending = (async () => {
      for (const user of [...users, ...users]) {
        await one.ask("/", { method: "POST", headers: { "x-user-id": user }, body: "x".repeat(1_000) }).catch(() => {});
        sent += 1;
        if (canary.isDone) return;
      }
    })();
    const status = await aborted(one);
    canary.isDone = true;
    await sending;
    await steady.stop();
    assert.match(status.latches[0].abort.reason, /^errors by bucket, /);
    return `${sent} uploads`;
  });

  await check("slow uploaders do not abort a canary by its latency, and a slow canary is aborted all the same", async () => {
    const { isolates: { one }, canary } = await world({ names: ["one"] }, gated({ gates: { errors: {}, latency: { tolerate: 300 } } }));
    const users = await canaryUsers(one, 120);
    const steady = crowd(one, { connections: 4 });
    for (let round = 0; round < 3; round += 1) {
      const uploads = users.slice(40 * round, 40 * round + 40).map((user) => upload(one.port, user));
      await pause(1_500);
      // One after the other: forty at once would make the canary slow.
      for (const { end } of uploads) await end();
    }
    await pause(2_500);
    assert(!isAborted(await one.status()), "slow uploads have aborted the canary");
    canary.delay = 300;
    const uploading = crowd(one, { connections: 8, method: "POST", body: "x".repeat(100) });
    const status = await aborted(one, 60_000);
    await Promise.all([steady.stop(), uploading.stop()]);
    assert.match(status.latches[0].abort.reason, /^latency at /);
    return status.latches[0].abort.reason;
  });

  await check("a canary that never answers is aborted after errors.timeout, and its requests go on", async () => {
    const spec = gated({ gates: { errors: { timeout: "1s" } } });
    const { isolates: { one }, canary } = await world({ names: ["one"] }, spec);
    const users = await canaryUsers(one, 60);
    const held = [];
    canary.hold = (answer) => held.push(answer);
    const steady = crowd(one, { connections: 4, patience: 3_000 });
    const begun = performance.now();
    const waiting = users.map((user) => one.ask("/", { headers: { "x-user-id": user } }));
    const status = await aborted(one);
    const took = Math.round(performance.now() - begun);
    canary.hold = undefined;
    held.forEach((answer) => answer());
    const answers = await Promise.all(waiting);
    await steady.stop();
    assert.deepEqual(answers.filter(({ status }) => status !== 200), [], "a request was harmed");
    assert.match(status.latches[0].abort.reason, /^errors by bucket, /);
    await pause(2_500);
    const { canary: counted } = (await one.status()).gates.object.watched.web;
    assert(counted.requests <= canary.asked, "a request was counted twice");
    return `abort after ${took} ms, ${(await one.status()).counters.timeouts} timeouts`;
  });

  await check("a canary whose bodies break midway is aborted; clients that leave midway are no failure", async () => {
    const { isolates: { one }, canary } = await world({ names: ["one"] }, gated());
    const users = await canaryUsers(one, 100);
    const steady = crowd(one, { connections: 2 });
    canary.body = "long";
    for (let at = 0; at < users.length; at += 25) {
      await Promise.all(users.slice(at, at + 25).map((user) => new Promise((done) => {
        const socket = net.connect(one.port, "127.0.0.1", () => socket.write(`GET / HTTP/1.1\r\nhost: shop.example.com\r\nx-user-id: ${user}\r\n\r\n`));
        socket.on("error", () => {});
        socket.once("data", () => { setTimeout(() => { socket.destroy(); done(); }, 50); });
      })));
    }
    canary.body = undefined;
    await pause(2_500);
    const healthy = await one.status();
    assert(!isAborted(healthy) && healthy.counters.bodiesBroken === 0, JSON.stringify(healthy.counters));
    canary.body = "reset";
    const status = await aborted(one);
    await steady.stop();
    assert.match(status.latches[0].abort.reason, /^errors by bucket, /);
    return `${status.counters.bodiesBroken} broken bodies; ${status.latches[0].abort.reason}`;
  });

  await check("requests and responses that are observed pass unchanged", async () => {
    const { isolates: { one }, targets } = await observed();
    const { bodies, sha } = targets;
    for (const user of ["ada", "bo", "cy", "dee"]) {
      const headers = { "x-user-id": user, "accept-encoding": "gzip, br" };
      for (const coding of ["gzip", "br", "plain"]) {
        for (const path of [`/${coding}`, `/${coding}/chunked`]) {
          const answer = await one.ask(path, { headers });
          assert.equal(sha(answer.bytes), sha(bodies[coding]), path);
          assert.equal(answer.headers["content-encoding"], coding === "plain" ? undefined : coding);
          assert.equal(answer.headers["content-length"], path.endsWith("chunked") ? undefined : String(bodies[coding].length));
        }
      }
      assert.deepEqual((await one.ask("/cookies", { headers })).headers["set-cookie"], ["a=1; Path=/", "b=2, c"]);
      const head = await one.ask("/plain", { method: "HEAD", headers });
      assert.deepEqual([head.status, head.headers["content-length"]], [200, String(bodies.plain.length)]);
      for (const status of [204, 302, 304, 404, 503]) assert.equal((await one.ask(`/status/${status}`, { headers })).status, status);
      for (const size of [0, 1, 4 * 1024 * 1024]) {
        const body = randomBytes(size);
        const answer = await one.ask("/echo", { method: "POST", body, headers: { ...headers, "content-length": size } });
        assert.equal(answer.text, `${sha(body)} ${size}`);
      }
      const chunked = await one.ask("/echo", { method: "POST", body: "abc", headers: { ...headers, "transfer-encoding": "chunked" } });
      assert.equal(chunked.text, `${sha("abc")} undefined`);
    }
    // A target that answers before the upload has ended.
    for (const length of ["content-length: 40", "transfer-encoding: chunked"]) {
      const early = net.connect(one.port, "127.0.0.1");
      let bytes = 0;
      early.on("data", (chunk) => { bytes += chunk.length; });
      early.write(`POST /early HTTP/1.1\r\nhost: a\r\nx-user-id: ada\r\n${length}\r\n\r\n${length.endsWith("chunked") ? "5\r\n" : ""}abcde`);
      await until("the whole response", () => bytes > 5_000_000);
      early.destroy();
    }
    const messages = [];
    const chat = new WebSocket(`ws://127.0.0.1:${one.port}/chat`, { headers: { "x-user-id": "ada" } });
    chat.on("message", (data) => messages.push(String(data)));
    await new Promise((open, fail) => { chat.on("open", open); chat.on("error", fail); });
    chat.send("hello");
    await until("the echo", () => messages.includes("echo hello"));
    chat.close();
    const socket = net.connect(one.port, "127.0.0.1");
    let received = "";
    socket.on("data", (bytes) => { received += bytes; });
    const chunk = (text) => socket.write(`${text.length.toString(16)}\r\n${text}\r\n`);
    socket.write("POST /both HTTP/1.1\r\nhost: a\r\nx-user-id: ada\r\ntransfer-encoding: chunked\r\n\r\n");
    for (const text of ["one", "two"]) {
      chunk(text);
      await until("the echo is at the client", () => received.includes(`echo ${text};`));
    }
    socket.write("0\r\n\r\n");
    await until("the end is at the client", () => received.includes("last"));
    socket.destroy();
    const status = await one.status();
    assert.deepEqual([status.counters.uploadsBroken, status.counters.bodiesBroken, status.counters.unreachable], [0, 0, 0]);
  });
}

/** A fleet whose two arms are one upstream with many kinds of responses. */
async function observed() {
  const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");
  const plain = Buffer.from("serin ".repeat(10_000));
  const bodies = { plain, gzip: zlib.gzipSync(plain, { level: 1 }), br: zlib.brotliCompressSync(plain) };
  const { origin, server } = await upstream((request, response) => {
    const [, first, second] = request.url.split("/");
    const chunks = [];
    request.on("error", () => {});
    if (first === "early") {
      response.writeHead(200, { "content-length": 5_000_000 });
      return void response.end(Buffer.alloc(5_000_000, "x"));
    }
    if (first === "both") {
      response.writeHead(200);
      request.on("data", (chunk) => response.write(`echo ${chunk};`));
      request.on("end", () => response.end("last"));
      return;
    }
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      if (first === "echo") return response.end(`${sha(Buffer.concat(chunks))} ${request.headers["content-length"]}`);
      if (first === "cookies") {
        response.writeHead(200, [["set-cookie", "a=1; Path=/"], ["set-cookie", "b=2, c"]]);
        return response.end("cookies");
      }
      if (first === "status") return response.writeHead(Number(second), { location: "/elsewhere" }).end();
      const bytes = bodies[first] ?? plain;
      const coding = first === "plain" || bodies[first] === undefined ? {} : { "content-encoding": first };
      response.writeHead(200, { ...coding, ...(second === "chunked" ? {} : { "content-length": bytes.length }) });
      response.write(bytes.subarray(0, 10));
      return response.end(bytes.subarray(10));
    });
  });
  const sockets = new WebSocketServer({ server });
  atEnd(() => sockets.close());
  sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(`echo ${data}`)));
  const made = await world({ names: ["one"], targets: { stable: origin, canary: origin, dark: origin } }, gated());
  return { ...made, targets: { bodies, sha } };
}
