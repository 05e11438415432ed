// Validates manifests against the published schemas: node validate.mjs FOLDER... SERIN_KUBERNETES_TOOLS is
// the folder that package.json here was installed into. Every .yaml file below the folders is read; the
// files of one folder are one case.
//
// The validators of the schemas check values. TypeScript finds unknown fields, by the type declarations of
// the same packages. Flagger's resources are checked by the program that SERIN_FLAGGER_TYPES names, which
// is tests/flagger.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { isDeepStrictEqual } from "node:util";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";

const tools = process.env.SERIN_KUBERNETES_TOOLS;
const from = createRequire(join(tools, "package.json"));
const { parseAllDocuments } = from("yaml");

/** The module with the kinds of each API version. */
const MODULES = {
  "argoproj.io/v1alpha1": "@kubernetes-models/argo-rollouts/argoproj.io/v1alpha1",
  "extensions.istio.io/v1alpha1": "@kubernetes-models/istio/extensions.istio.io/v1alpha1",
  "networking.istio.io/v1": "@kubernetes-models/istio/networking.istio.io/v1",
  "telemetry.istio.io/v1": "@kubernetes-models/istio/telemetry.istio.io/v1",
  "gateway.networking.k8s.io/v1": "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1",
};

/** The API version that serin-flagger checks. */
const FLAGGER = "flagger.app/v1beta1";

/** A name of most kinds in Kubernetes: RFC 1123, with a maximum length. */
const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const NAME_LENGTH = 253;

/** All YAML files below a folder. */
function files(folder) {
  return readdirSync(folder).sort().flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return files(path);
    return name.endsWith(".yaml") ? [path] : [];
  });
}

/** The documents of a file. They must be equal in YAML 1.2 and 1.1, because kubectl reads 1.1. */
function documents(path) {
  const text = readFileSync(path).toString();
  const read = (version) => parseAllDocuments(text, { version }).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS();
  });
  const [new_, old] = [read("1.2"), read("1.1")];
  if (!isDeepStrictEqual(new_, old)) throw new Error("YAML 1.1 and YAML 1.2 read different values");
  return new_;
}

/** The fields that a TrafficExtension and a WasmPlugin have at the same path. */
const BESIDE_WASM = ["match", "phase", "priority", "selector", "targetRefs"];

/**
 * A TrafficExtension as a WasmPlugin, because the package has no TrafficExtension. The field `wasm` has the other
 * fields of a WasmPlugin.
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

/** Checks what Kubernetes requires of every resource. Names must be unique; `names` collects them. */
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

/** Checks the values of a resource, and stores it for the check of its fields. */
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

/** Finds fields that are not in the schemas, with TypeScript. */
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

/** Checks Flagger's resources with the Rust types. */
function flaggerFailures() {
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
failures.push(...unknownFields(), ...flaggerFailures());
for (const failure of failures) console.log(`FAILED Kubernetes: ${failure}`);
const count = typed.length + flagger.length;
if (count === 0) failures.push("nothing was checked");
console.log(`       ${count} resources of ${cases.length} exports against their schemas, ${failures.length} failures`);
process.exit(failures.length === 0 ? 0 : 1);
