// Blue to green and back while requests come: the spec changes in KV, sessions keep the colour they began on.
import { assert, atEnd, check, pause } from "./check.mjs";
import { fleet } from "./fleet.mjs";
import { named } from "./world.mjs";

const NAMES = ["one", "two"];
const REQUESTS = 10;
const CONNECTIONS = 8;

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
 * Sessions one after the other on each of several connections: each begins without a cookie and keeps what it
 * gets. Those on the first connection of an isolate last as long as everything does.
 */
function visitors(isolate) {
  const sessions = [];
  let running = true;
  const one = async (isLong) => {
    const session = { name: isolate.name, began: performance.now(), isLong, arms: [] };
    let cookie;
    for (let request = 0; isLong ? running : request < REQUESTS; request += 1) {
      const answer = await isolate.ask("/", { headers: cookie === undefined ? {} : { cookie } }).catch((lost) => ({ lost }));
      if (answer.status !== 200) {
        session.lost = answer.lost ?? answer.text;
        break;
      }
      session.arms.push(answer.headers["x-upstream"]);
      cookie = answer.headers["set-cookie"]?.[0].split(";")[0] ?? cookie;
    }
    sessions.push(session);
  };
  const clients = Array.from({ length: CONNECTIONS }, async (_, connection) => {
    while (running) await one(connection === 0);
  });
  const stop = async () => {
    running = false;
    await Promise.all(clients);
    return sessions;
  };
  atEnd(stop);
  return { stop };
}

/** When a change was seen: from its writing until the last session that began on the colour before. */
function settled(sessions, from, until, before) {
  const late = sessions.filter(({ began, arms }) => began >= from && began < until && arms[0] === before);
  return Math.round(Math.max(0, ...late.map(({ began }) => began - from)));
}

export async function blueGreen() {
  await check("blue to green and back under load: no request is lost, no session mixed", async () => {
    const [blue, green] = [await named("blue"), await named("green")];
    const targets = { blue: blue.origin, green: green.origin };
    const { isolates, kv } = await fleet(NAMES, { targets, variables: { SERIN_BASELINE: "blue" }, without: NAMES });
    const store = await kv();
    await store.put("spec", spec("blue", 1));
    const crowds = NAMES.map((name) => visitors(isolates[name]));
    const flips = [performance.now()];
    for (const [active, revision] of [["green", 2], ["blue", 3]]) {
      await pause(2_500);
      flips.push(performance.now());
      await store.put("spec", spec(active, revision));
    }
    await pause(2_500);
    const sessions = (await Promise.all(crowds.map((crowd) => crowd.stop()))).flat();
    assert.deepEqual(sessions.filter(({ lost }) => lost !== undefined), [], "requests were lost");
    const mixed = sessions.filter(({ arms }) => new Set(arms).size !== 1);
    assert.deepEqual(mixed, [], "sessions were mixed");
    const requests = sessions.reduce((sum, { arms }) => sum + arms.length, 0);
    assert.equal(blue.requests.length + green.requests.length, requests, "each was sent once");
    // Those that are under way when the colour changes are what pins are for.
    const long = sessions.filter(({ isLong }) => isLong);
    assert.deepEqual(long.map(({ arms }) => arms.at(-1)), NAMES.map(() => "blue"));
    const lines = NAMES.map((name) => {
      const own = sessions.filter((session) => session.name === name);
      assert.equal(own.filter(({ began }) => began < flips[1]).every(({ arms }) => arms[0] === "blue"), true);
      assert(own.some(({ arms }) => arms[0] === "green"));
      const there = settled(own, flips[1], flips[2], "blue");
      const back = settled(own, flips[2], Infinity, "green");
      assert(there < 2_400 && back < 2_400, `${name} never changed: ${there} and ${back} ms`);
      return `${name} there after ${there} ms, back after ${back} ms`;
    });
    return `${requests} requests in ${sessions.length} sessions, ${green.requests.length} on green; ${long.map(({ arms }) => arms.length).join(" and ")} in the sessions that lasted throughout; new ones: ${lines.join("; ")}`;
  });
}
