// `serin export worker`: wrangler deploys the configuration, and the Worker routes by it.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { assert, atEnd, check } from "./check.mjs";
import { CANARY, ask } from "./world.mjs";
import { dev, wrangler } from "./wrangler.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** The targets of a spec. */
function targets(spec) {
  const text = readFileSync(join(root, spec)).toString();
  return [...new Set([...text.matchAll(/target: ([\w-]+)/g)].map(([, target]) => target))];
}

const EXPORTS = [
  { name: "other Workers", spec: "examples/worker/spec.json", options: ["--service", "shop-stable=shop-stable", "--service", "shop-canary=shop-canary"] },
  { name: "origins and KV", spec: "examples/envoy/spec.yaml", options: ["--origin", "shop-stable=https://stable.example.com", "--origin", "shop-canary=https://canary.example.com:8443", "--kv", "0123456789abcdef0123456789abcdef", "--domain", "shop.example.com", "--var", "SERIN_CACHE=1"] },
  { name: "every field", spec: "tests/schema/whole_spec.yaml", options: targets("tests/schema/whole_spec.yaml").flatMap((target) => ["--service", `${target}=${target}`]) },
];

/** Creates a folder with the Worker and the export. */
function project({ spec, options }) {
  const folder = mkdtempSync(join(tmpdir(), "serin-export-"));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(process.env.SERIN_WORKER, join(folder, "serin"), { recursive: true });
  execFileSync(process.env.SERIN_BIN, ["export", "worker", join(root, spec), "--out", folder, ...options]);
  return folder;
}

export async function exported() {
  for (const one of EXPORTS) {
    await check(`wrangler deploy --dry-run accepts the export: ${one.name}`, async () => {
      const folder = project(one);
      const run = wrangler(folder, "deploy", "--dry-run", "--outdir", "out");
      assert.equal(await run.ended, 0, run.said());
      assert.doesNotMatch(run.said(), /Unexpected fields|Processing wrangler/);
    });
  }

  await check("the exported Worker routes to its arms", async () => {
    const folder = project(EXPORTS[0]);
    for (const arm of ["stable", "canary"]) cpSync(join(root, "examples/worker", arm), join(folder, arm), { recursive: true });
    assert.equal(JSON.parse(readFileSync(join(folder, "serin/spec.json"))).rollouts.shop.baseline, "stable");
    const { port, answer } = await dev(folder);
    assert.match(answer.text, /^stable answers/);
    assert.match((await ask(port, "/", { headers: CANARY })).text, /^canary answers/);
  });
}
