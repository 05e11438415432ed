// Holds manifests to the published schemas: node validate.mjs FOLDER... with SERIN_KUBERNETES_TOOLS
// naming the folder that package.json here was installed into. Every .yaml file below the folders is
// read; a folder's files are one case.
//
// The schemas' own validators say whether values are right; that no field is unknown is said by
// TypeScript, which the same package describes its resources to. Flagger's resources are held to types of
// Rust, by the program that SERIN_FLAGGER_TYPES names: tests/flagger.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { isDeepStrictEqual } from "node:util";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";

const tools = process.env.SERIN_KUBERNETES_TOOLS;
const from = createRequire(join(tools, "package.json"));
const { parseAllDocuments } = from("yaml");

/** By API version: the module that knows its kinds. */
const MODULES = {
  "argoproj.io/v1alpha1": "@kubernetes-models/argo-rollouts/argoproj.io/v1alpha1",
  "extensions.istio.io/v1alpha1": "@kubernetes-models/istio/extensions.istio.io/v1alpha1",
  "networking.istio.io/v1": "@kubernetes-models/istio/networking.istio.io/v1",
  "telemetry.istio.io/v1": "@kubernetes-models/istio/telemetry.istio.io/v1",
  "gateway.networking.k8s.io/v1": "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1",
};

/** What serin-flagger knows. */
const FLAGGER = "flagger.app/v1beta1";

/** A name as most kinds of Kubernetes demand it: RFC 1123, no longer than this. */
const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const NAME_LENGTH = 253;

/** All files of a kind below a folder. */
function files(folder) {
  return readdirSync(folder).sort().flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return files(path);
    return name.endsWith(".yaml") ? [path] : [];
  });
}

/** The documents of a file, which have to be the same by YAML 1.2 and by 1.1, as kubectl reads it. */
function documents(path) {
  const text = readFileSync(path).toString();
  const read = (version) => parseAllDocuments(text, { version }).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS();
  });
  const [new_, old] = [read("1.2"), read("1.1")];
  if (!isDeepStrictEqual(new_, old)) throw new Error("YAML 1.1 reads something else than YAML 1.2");
  return new_;
}

/** The fields of a TrafficExtension that a WasmPlugin has too, and at the same place. */
const BESIDE_WASM = ["match", "phase", "priority", "selector", "targetRefs"];

/**
 * The package has no TrafficExtension yet. Its `wasm` has the other fields of a WasmPlugin, so it is held to
 * that schema.
 */
function asPublished(resource) {
  if (resource.kind !== "TrafficExtension") return resource;
  const { wasm, ...spec } = resource.spec;
  const inside = Object.keys(wasm ?? {}).filter((name) => BESIDE_WASM.includes(name));
  const beside = Object.keys(spec).filter((name) => !BESIDE_WASM.includes(name));
  const misplaced = [...inside, ...beside];
  if (misplaced.length > 0) throw new Error(`TrafficExtension: ${misplaced.join(", ")}: not there`);
  return { ...resource, kind: "WasmPlugin", spec: { ...spec, ...wasm } };
}

const typed = [];
const flagger = [];

/** Checks what Kubernetes itself demands, and keeps names in mind. */
function checkMetadata({ apiVersion, kind, metadata }, names) {
  const { name, namespace, annotations } = metadata;
  if (typeof name !== "string" || name.length > NAME_LENGTH || !NAME.test(name)) {
    throw new Error(`${kind}: ${JSON.stringify(name)} is no name`);
  }
  const key = [apiVersion, kind, namespace, name].join(" ");
  if (names.has(key)) throw new Error(`${key} is there twice`);
  names.add(key);
  for (const name of ["serin/digest", "serin/revision"]) {
    if (typeof annotations?.[name] !== "string") throw new Error(`no annotation ${name}`);
  }
}

/** Checks a resource's values, and keeps it for the check of its fields. */
async function check(resource, place) {
  const { apiVersion, kind } = resource;
  if (apiVersion === FLAGGER) {
    flagger.push({ resource, place });
    return;
  }
  const module = MODULES[apiVersion];
  if (module === undefined) throw new Error(`no schema of ${apiVersion} is known`);
  const Kind = (await import(pathToFileURL(join(tools, "node_modules", module, "index.js")).href))[kind];
  if (Kind === undefined) throw new Error(`no schema of ${apiVersion} ${kind} is known`);
  new Kind(resource).validate();
  typed.push({ module, kind, resource, place });
}

/** Has TypeScript look for fields that the schemas do not know. */
function unknownFields() {
  if (typed.length === 0) return [];
  const folder = join(tools, "typed");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const places = new Map();
  for (const [index, { module, kind, resource, place }] of typed.entries()) {
    const name = `r${index}.ts`;
    places.set(name, place);
    const text = `import type { I${kind} } from "${module}";\nexport const r: I${kind} = ${JSON.stringify(resource, null, 1)};\n`;
    writeFileSync(join(folder, name), text);
  }
  const options = { strict: true, noEmit: true, skipLibCheck: true, module: "nodenext", moduleResolution: "nodenext", types: [] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, include: ["*.ts"] }));
  try {
    execFileSync(process.execPath, [from.resolve("typescript/lib/tsc.js"), "-p", folder, "--pretty", "false"], { encoding: "utf8" });
    return [];
  } catch (error) {
    if (!error.stdout) throw error;
    return error.stdout.trim().split("\n").map((line) => {
      const found = /(r\d+\.ts)\((.*)/.exec(line);
      return found === null ? line : `${places.get(found[1])}: (${found[2]}`;
    });
  }
}

/** Has Rust's types look at Flagger's resources. */
function untypedFlagger() {
  if (flagger.length === 0) return [];
  const program = process.env.SERIN_FLAGGER_TYPES;
  if (program === undefined) return ["SERIN_FLAGGER_TYPES is not set: run `cargo xtask test`"];
  const input = JSON.stringify(flagger.map(({ resource }) => resource));
  const lines = execFileSync(program, { input, encoding: "utf8" }).trim().split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    const [, index, why] = /^(\d+): (.*)$/.exec(line);
    const { resource, place } = flagger[index];
    return `${place}: ${resource.kind}: ${why}`;
  });
}

const failures = [];
const cases = process.argv.slice(2).flatMap((folder) => readdirSync(folder).sort().map((name) => join(folder, name)));
for (const folder of cases.filter((path) => statSync(path).isDirectory())) {
  const names = new Set();
  for (const path of files(folder)) {
    const place = relative(process.cwd(), path);
    try {
      const all = documents(path);
      if (all.length === 0) throw new Error("it is empty");
      for (const resource of all) {
        checkMetadata(resource, names);
        await check(asPublished(resource), place);
      }
    } catch (error) {
      failures.push(`${place}: ${error.message}`);
    }
  }
}
failures.push(...unknownFields(), ...untypedFlagger());
for (const failure of failures) console.log(`FAILED Kubernetes: ${failure}`);
const count = typed.length + flagger.length;
if (count === 0) failures.push("nothing was checked");
console.log(`       ${count} resources of ${cases.length} exports against their schemas, ${failures.length} failures`);
process.exit(failures.length === 0 ? 0 : 1);
