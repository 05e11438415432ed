// Measures requests per second through the Worker and through a JavaScript Worker that does the same, in
// turns, so that both share machine conditions. Prints lines `measure: NAME = VALUE`.
import { readFileSync } from "node:fs";
import net from "node:net";
import { COMPATIBILITY_DATE, modules, require } from "./setup.mjs";
import { spec } from "./world.mjs";

const { Miniflare } = require("miniflare");
const ROUNDS = Number(process.env.SERIN_BENCH_ROUNDS ?? 15);
const ROUND_MS = Number(process.env.SERIN_BENCH_MS ?? 1000);
const CONNECTIONS = 16;

const target = { name: "target", modules: true, compatibilityDate: COMPATIBILITY_DATE,
  script: 'export default { fetch() { return new Response("ok"); } };' };
const common = { compatibilityDate: COMPATIBILITY_DATE, serviceBindings: { TARGET: "target" } };
const socket = { unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }] };
const served = { service: "TARGET" };
const miniflare = new Miniflare({
  cf: false,
  workers: [
    { name: "serin", modules: modules(), ...common, ...socket, bindings: {
      SERIN_SPEC: spec({ canary: { share: 50, rings: [{ attribute: "header.x-ring", equals: "canary" }] } }),
      SERIN_TARGETS: { stable: served, canary: served }, SERIN_BASELINE: "stable" } },
    { name: "script", modules: true, script: readFileSync(new URL("./baseline.mjs", import.meta.url)).toString(), ...common, ...socket },
    target,
  ],
});
await miniflare.ready;
const ports = {};
for (const name of ["serin", "script"]) ports[name] = Number((await miniflare.unsafeGetDirectURL(name)).port);

const HEAD = "\r\nhost: shop.example.com\r\nuser-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n"
  + "accept: text/html,application/xhtml+xml\r\naccept-language: sv-SE,sv;q=0.9\r\naccept-encoding: gzip, br\r\n"
  + "cookie: session=0123456789abcdef; theme=dark; consent=1\r\nreferer: https://shop.example.com/\r\n";

/** Sends requests on several connections for some time; returns the number of responses and the seconds. */
function load(port, milliseconds) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    let answers = 0;
    let open = CONNECTIONS;
    for (let connection = 0; connection < CONNECTIONS; connection += 1) {
      let user = connection;
      const client = net.connect(port, "127.0.0.1");
      const ask = () => { user += CONNECTIONS; client.write(`GET /feed?page=${user} HTTP/1.1${HEAD}x-user-id: user-${user}\r\n\r\n`); };
      let text = "";
      client.on("connect", ask);
      client.on("error", reject);
      client.on("data", (bytes) => {
        text += bytes.toString("latin1");
        if (!text.endsWith("ok") && !text.endsWith("ok\r\n0\r\n\r\n")) return;
        if (!text.startsWith("HTTP/1.1 200")) reject(new Error(text));
        text = "";
        answers += 1;
        if (performance.now() - start < milliseconds) return ask();
        client.destroy();
        open -= 1;
        if (open === 0) resolve({ answers, seconds: (performance.now() - start) / 1000 });
      });
    }
  });
}

/** CPU seconds that workerd has used so far. */
function used() {
  const { pid } = findWorkerd();
  const fields = readFileSync(`/proc/${pid}/stat`).toString().split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

let workerd;
function findWorkerd() {
  if (workerd !== undefined) return workerd;
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`).toString().trim().split(" ");
  for (const pid of children) {
    if (readFileSync(`/proc/${pid}/cmdline`).toString().includes("workerd")) workerd = { pid };
  }
  return workerd;
}

const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
for (const name of ["serin", "script", "serin", "script"]) await load(ports[name], ROUND_MS);
const rates = { serin: [], script: [] };
const costs = { serin: [], script: [] };
for (let round = 0; round < ROUNDS; round += 1) {
  for (const name of round % 2 === 0 ? ["serin", "script"] : ["script", "serin"]) {
    const before = used();
    const { answers, seconds } = await load(ports[name], ROUND_MS);
    rates[name].push(answers / seconds);
    costs[name].push((used() - before) / answers * 1e6);
  }
}
const ratios = rates.serin.map((rate, round) => rate / rates.script[round]);
const relative = costs.script.map((cost, round) => cost / costs.serin[round]);
console.log(`measure: Worker, requests per second = ${Math.round(median(rates.serin))}`);
console.log(`measure: the same in JavaScript, requests per second = ${Math.round(median(rates.script))}`);
console.log(`measure: Worker against JavaScript, requests per second = ${median(ratios).toFixed(3)}`);
console.log(`measure: Worker, CPU per request = ${median(costs.serin).toFixed(1)} µs`);
console.log(`measure: the same in JavaScript, CPU per request = ${median(costs.script).toFixed(1)} µs`);
console.log(`measure: Worker against JavaScript, by CPU = ${median(relative).toFixed(3)}`);
await miniflare.dispose();
process.exit(0);
