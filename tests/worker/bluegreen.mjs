// Blue-green under load: the spec in KV changes the active arm and changes it back; sessions keep their arm.
import { assert, atEnd, check, until } from "./check.mjs";
import { fleet } from "./fleet.mjs";
import { named } from "./world.mjs";

const NAMES = ["one", "two"];
const REQUESTS = 10;
const CONNECTIONS = 8;
/** The number of sessions that must start in each isolate under each spec. */
const ENOUGH = 40;

function spec(active, revision) {
  return JSON.stringify({
    formatVersion: 1,
    revision,
    rollouts: {
      web: {
        arms: { blue: { target: "blue" }, green: { target: "green" } },
        baseline: "blue",
        blueGreen: { active, pinSessions: "30m" },
      },
    },
  });
}

/**
 * Sessions in sequence on each of several connections. A session starts without a cookie and sends back what it
 * gets. On the first connection of an isolate one session lasts for the whole test. On the second, a session lasts
 * until a change that follows its start is complete.
 */
function visitors(isolate) {
  const sessions = [];
  let running = true;
  let changes = 0;
  const one = async (connection) => {
    const session = { name: isolate.name, began: performance.now(), isLong: connection === 0, arms: [], last: 0 };
    sessions.push(session);
    const before = changes;
    const lasts = () => running && (session.isLong || (connection === 1 && changes === before));
    let cookie;
    let isLast = false;
    // This is decided before the request, so that one request follows the complete change.
    for (let request = 1; !isLast; request += 1) {
      isLast = request >= REQUESTS && !lasts();
      session.last = performance.now();
      const answer = await isolate.ask("/", { headers: cookie === undefined ? {} : { cookie } }).catch((lost) => ({ lost }));
      if (answer.status !== 200) {
        session.lost = answer.lost ?? answer.text;
        break;
      }
      session.arms.push(answer.headers["x-upstream"]);
      cookie = answer.headers["set-cookie"]?.[0].split(";")[0] ?? cookie;
    }
  };
  const clients = Array.from({ length: CONNECTIONS }, async (_, connection) => {
    while (running) await one(connection);
  });
  const stop = async () => {
    running = false;
    await Promise.all(clients);
    return sessions;
  };
  atEnd(stop);
  return { sessions, changed: () => { changes += 1; }, stop };
}

/** The sessions that started on an arm after a time. */
function begun(sessions, colour, since) {
  return sessions.filter(({ began, arms }) => began > since && arms[0] === colour);
}

export async function blueGreen() {
  await check("the active arm changes under load without a loss, and no session gets both arms", async () => {
    const [blue, green] = [await named("blue"), await named("green")];
    const targets = { blue: blue.origin, green: green.origin };
    const { isolates, kv } = await fleet(NAMES, { targets, variables: { SERIN_BASELINE: "blue" }, without: NAMES });
    const store = await kv();
    await store.put("spec", spec("blue", 1));
    const crowds = Object.fromEntries(NAMES.map((name) => [name, visitors(isolates[name])]));
    const enough = (colour, since) => Promise.all(NAMES.map((name) => until(`sessions begin on ${colour} in ${name}`,
      () => begun(crowds[name].sessions, colour, since).length >= ENOUGH)));
    await enough("blue", 0);
    const flips = [];
    for (const [from, to, revision] of [["blue", "green", 2], ["green", "blue", 3]]) {
      const flip = { from, to, sent: performance.now(), settled: {} };
      await store.put("spec", spec(to, revision));
      await Promise.all(NAMES.map(async (name) => {
        await until(`${name} has the spec`, () => begun(crowds[name].sessions, to, flip.sent).length > 0);
        flip.settled[name] = performance.now();
        crowds[name].changed();
      }));
      await enough(to, Math.max(...Object.values(flip.settled)));
      flips.push(flip);
    }
    const sessions = (await Promise.all(NAMES.map((name) => crowds[name].stop()))).flat();
    assert.deepEqual(sessions.filter(({ lost }) => lost !== undefined), [], "requests were lost");
    const mixed = sessions.filter(({ arms }) => new Set(arms).size !== 1);
    assert.deepEqual(mixed, [], "sessions were mixed");
    const requests = sessions.reduce((sum, { arms }) => sum + arms.length, 0);
    assert.equal(blue.requests.length + green.requests.length, requests, "each was sent once");
    // Sessions that span the change test the pins.
    const long = sessions.filter(({ isLong }) => isLong);
    assert.deepEqual(long.map(({ arms }) => arms.at(-1)), NAMES.map(() => "blue"));
    assert.deepEqual(sessions.filter(({ began, arms }) => began < flips[0].sent && arms[0] !== "blue"), []);
    const lines = flips.flatMap(({ from, to, sent, settled }) => NAMES.map((name) => {
      const own = sessions.filter((session) => session.name === name);
      // An isolate has one plan. Once it has the new one, no session starts under the old one.
      const next = flips.find((flip) => flip.sent > sent)?.sent ?? Infinity;
      const late = own.filter(({ began, arms }) => began > settled[name] && began < next && arms[0] !== to);
      assert.deepEqual(late, [], `sessions began on ${from} when ${name} had the spec`);
      const across = own.filter(({ began, last, arms }) => began < settled[name] && last > settled[name] && arms[0] === from).length;
      assert(across > 0, `no session on ${from} went across the change in ${name}`);
      return { from, name, ms: Math.round(settled[name] - sent), across };
    }));
    const told = lines.map(({ from, name, ms, across }) => `${name} from ${from} after ${ms} ms, ${across} went across`);
    return `${requests} requests in ${sessions.length} sessions, ${green.requests.length} on green; ${long.map(({ arms }) => arms.length).join(" and ")} in the sessions that lasted throughout; ${told.join("; ")}`;
  });
}
