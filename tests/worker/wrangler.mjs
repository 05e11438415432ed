// The documentation's way from an empty folder to a running Worker, with wrangler.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { assert, atEnd, check, until } from "./check.mjs";
import { CANARY, ask } from "./world.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** The console examples of the documentation: each command with its output. */
function shown() {
  const text = readFileSync(join(root, "docs/cloudflare.md")).toString();
  const blocks = [...text.matchAll(/^```console\n(.*?)^```/gms)].map(([, block]) => block);
  return blocks.flatMap((block) => block.split(/^\$ /m).slice(1)).map((entry) => {
    const [command, ...printed] = entry.trimEnd().split("\n");
    return { command: command.replace(/\s+#.*/, ""), printed: printed.join("\n") };
  });
}

/** Creates a project folder with the commands of the documentation. */
function project() {
  const folder = mkdtempSync(join(tmpdir(), "serin-worker-"));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  const copies = shown().map(({ command }) => command).filter((command) => command.startsWith("cp "));
  assert.equal(copies.length, 3);
  for (const command of copies) {
    const here = command.replace("SERIN/dist/edge-worker", process.env.SERIN_WORKER).replace("SERIN/", `${root}/`);
    execFileSync("sh", ["-c", here], { cwd: folder });
  }
  return folder;
}

export function wrangler(folder, ...words) {
  const script = join(process.env.SERIN_NODE_TOOLS, "node_modules/wrangler/bin/wrangler.js");
  const env = { ...process.env, CI: "1", WRANGLER_SEND_METRICS: "false", HOME: folder, NO_COLOR: "1" };
  const child = spawn(process.execPath, [script, ...words], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes) => said.push(bytes.toString()));
  const ended = new Promise((end) => { child.on("exit", end); });
  return { child, ended, said: () => said.join("") };
}

/** Starts `wrangler dev` in a folder with Workers for stable and canary; returns its port and first response. */
export async function dev(folder) {
  const [port, inspector] = await freePorts(2);
  const configs = ["wrangler.jsonc", "stable/wrangler.jsonc", "canary/wrangler.jsonc"].flatMap((name) => ["--config", name]);
  const run = wrangler(folder, "dev", "--ip", "127.0.0.1", "--port", String(port), "--inspector-port", String(inspector), ...configs);
  atEnd(async () => {
    try { process.kill(-run.child.pid, "SIGTERM"); } catch { /* it has ended by itself */ }
    await run.ended;
  });
  const answer = await until("it answers", async () => {
    if (run.child.exitCode !== null) throw new Error(run.said());
    return ask(port, "/", { headers: { "x-user-id": "ada" } }).catch(() => false);
  }, 120_000);
  return { port, answer };
}

/** Finds distinct free ports. */
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => net.createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}

export async function deployed() {
  for (const config of ["wrangler.jsonc", "origins.jsonc"]) {
    await check(`wrangler deploy --dry-run accepts ${config}`, async () => {
      const folder = project();
      const run = wrangler(folder, "deploy", "--dry-run", "--outdir", "out", "--config", config);
      assert.equal(await run.ended, 0, run.said());
      const files = readdirSync(join(folder, "out"));
      assert(files.includes("worker.js") && files.some((name) => name.endsWith(".wasm")), files.join());
      const size = files.filter((name) => !name.endsWith(".map") && name !== "README.md")
        .reduce((sum, name) => sum + statSync(join(folder, "out", name)).size, 0);
      return `${Math.ceil(size / 1000)} KB; ${/gzip: [\d.]+ KiB/.exec(run.said())?.[0]}`;
    });
  }

  await check("wrangler dev routes to stable and canary as two Workers", async () => {
    const folder = project();
    const { port, answer } = await dev(folder);
    assert.equal(answer.status, 200);
    const asked = shown().filter(({ command }) => command.includes("localhost:8787"));
    assert.equal(asked.length, 3);
    for (const { command, printed } of asked) {
      const headers = Object.fromEntries([...command.matchAll(/-H '([^:]+): ([^']+)'/g)].map(([, name, value]) => [name, value]));
      assert.equal((await ask(port, "/", { headers })).text, `${printed}\n`, command);
    }
    const canary = await ask(port, "/", { headers: CANARY });
    assert.match(canary.text, /^canary answers/);
    assert.match(canary.headers["set-cookie"][0], /^serin_id=/);
  });
}
