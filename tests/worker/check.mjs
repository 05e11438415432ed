// Runs and counts named checks; the last line is the summary that `cargo xtask test` adds up.
import assert from "node:assert/strict";

export { assert };

const only = process.argv.slice(2).find((argument) => !argument.startsWith("-"));
const counts = { passed: 0, failed: 0, filtered: 0 };
const ends = [];
const PATIENCE = 180_000;

/** Registers a function that runs after the current check. */
export function atEnd(end) {
  ends.push(end);
}

/** Runs a check. It fails if it throws or takes longer than three minutes. */
export async function check(name, test) {
  if (only !== undefined && !name.includes(only)) {
    counts.filtered += 1;
    return;
  }
  const start = performance.now();
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("it took longer than three minutes")), PATIENCE);
  });
  try {
    const note = await Promise.race([test(), late]);
    counts.passed += 1;
    const took = Math.round(performance.now() - start);
    console.log(`ok     workerd: ${name} (${took} ms)${note === undefined ? "" : `: ${note}`}`);
  } catch (error) {
    counts.failed += 1;
    console.log(`FAILED workerd: ${name}\n    ${String(error.stack ?? error).replaceAll("\n", "\n    ")}`);
  } finally {
    clearTimeout(timer);
    for (const end of ends.splice(0).reverse()) await end();
  }
}

/** Prints the summary and ends the process. */
export function finish() {
  const { passed, failed, filtered } = counts;
  const word = failed === 0 ? "ok" : "FAILED";
  console.log(`test result: ${word}. ${passed} passed; ${failed} failed; 0 ignored; ${filtered} filtered out (workerd)`);
  process.exit(failed === 0 ? 0 : 1);
}

/** Waits until a condition holds; returns its value. */
export async function until(what, condition, milliseconds = 40_000) {
  const end = performance.now() + milliseconds;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > end) throw new Error(`it never came true: ${what}`);
    await new Promise((wake) => { setTimeout(wake, 25); });
  }
}

export function pause(milliseconds) {
  return new Promise((wake) => { setTimeout(wake, milliseconds); });
}
