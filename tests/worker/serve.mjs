// Starts Workers for a runner in another language: reads their configuration from a file, prints one line
// with their ports, and ends at the end of its standard input.
import { readFileSync } from "node:fs";
import { COMPATIBILITY_DATE, modules, require } from "./setup.mjs";

const { Miniflare } = require("miniflare");

const entry = {
  type: "ESModule",
  path: "entry.js",
  contents: readFileSync(new URL("./entry.mjs", import.meta.url)).toString(),
};
const described = JSON.parse(readFileSync(process.argv[2]).toString());
const workers = described.map(({ name, variables, latches }) => ({
  name,
  modules: modules(null, entry),
  compatibilityDate: COMPATIBILITY_DATE,
  bindings: variables,
  ...(latches === null ? {} : { kvNamespaces: { SERIN_KV: name } }),
  unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
}));
const miniflare = new Miniflare({ workers, cf: false });
await miniflare.ready;
for (const { name, latches } of described) {
  if (latches === null) continue;
  const namespace = await miniflare.getKVNamespace("SERIN_KV", name);
  await namespace.put("latches", JSON.stringify(latches));
}
const ports = {};
for (const { name } of described) ports[name] = Number((await miniflare.unsafeGetDirectURL(name)).port);
console.log(JSON.stringify(ports));
process.stdin.resume();
process.stdin.on("end", async () => {
  await miniflare.dispose();
  process.exit(0);
});
