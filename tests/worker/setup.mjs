// The set-up by `cargo xtask test`: SERIN_WORKER is the folder of the built Worker, SERIN_NODE_TOOLS the
// folder of the npm packages.
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

/** An environment variable that `cargo xtask test` sets. */
export function prepared(name) {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set; \`cargo xtask test\` sets it`);
  return value;
}

/** Imports npm packages. */
export const require = createRequire(join(prepared("SERIN_NODE_TOOLS"), "package.json"));

export const COMPATIBILITY_DATE = "2026-11-01";

/** The flags that the example deploys with. */
export const COMPATIBILITY_FLAGS = ["enable_request_signal"];

/** The modules of the Worker: `entry` first if present, with `spec` as the bundled spec. */
export function modules(spec = null, entry = undefined) {
  const folder = prepared("SERIN_WORKER");
  const files = readdirSync(folder).filter((name) => /\.(js|wasm)$/.test(name) && name !== "worker.js");
  const read = (name) => readFileSync(join(folder, name));
  const own = files.map((name) => name.endsWith(".wasm")
    ? { type: "CompiledWasm", path: name, contents: read(name) }
    : { type: "ESModule", path: name, contents: read(name).toString() });
  const main = { type: "ESModule", path: "worker.js", contents: read("worker.js").toString() };
  const bundled = { type: "Text", path: "spec.json", contents: spec === null ? "" : JSON.stringify(spec) };
  return [...(entry === undefined ? [main] : [entry, main]), ...own, bundled];
}
