/** Short calls share a timer, which is one request's: each that is late ends in its own time all the same. */
import assert from "node:assert/strict";
import { registerHooks } from "node:module";
import { mock, test } from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { SLACK_MS } from "../support/survival.mjs";
import { faults } from "../support/upstash-front.mjs";
import { cached, keyOf, RUN, uniqueText, withWorld } from "../support/world.mjs";

const DEADLINE_MS = 600;
const settings = { CACHE_LOOKUP_TIMEOUT_MS: String(DEADLINE_MS), CACHE_BREAKER_PAUSE_MS: "0" };

/** A run that starts after so many milliseconds, and whose lookup Redis does not answer. */
async function lateRun(world, delay) {
  await after(delay);
  return world.run(cached(uniqueText()));
}

function assertLate({ status, json, elapsed }) {
  assert.deepEqual([status, json.status, json.cache.reason], [200, "success", "redis-timeout"]);
  assert.ok(elapsed >= DEADLINE_MS * 0.9, `${elapsed} ms`);
  assert.ok(elapsed < DEADLINE_MS + SLACK_MS, `${elapsed} ms`);
}

withWorld("lookups that rely on a timer of a request that is over", { env: settings }, (world) => {
  test("end one after the other, each after its deadline", async () => {
    const text = uniqueText();
    await world.run(cached(text));
    await world.stored(keyOf(text));
    // The timer of that lookup has come to an end, and that of the write looks too late for this one.
    await after(DEADLINE_MS * 2);
    assert.equal((await world.run(cached(text))).json.cache.status, "hit");
    world.store.front.fail(faults.hang, { only: "GET" });
    const late = await Promise.all([0, 100, 200, 300, 400].map((delay) => lateRun(world, delay)));
    for (const answer of late) assertLate(answer);
  });
});

withWorld(
  "lookups that rely on a timer of a request that waits too",
  { env: settings },
  (world) => {
    /** A run whose client leaves before the deadline. */
    async function leftRun(delay) {
      await after(delay);
      const leaving = fetch(new URL(RUN, world.worker.url), {
        method: "POST",
        headers: { authorization: `Bearer ${world.keys.team}` },
        body: JSON.stringify(cached(uniqueText())),
        signal: AbortSignal.timeout(200),
      });
      await assert.rejects(leaving, { name: "TimeoutError" });
    }

    test("end after their deadline, also when its client and that of another leave", async () => {
      world.store.front.fail(faults.hang, { only: "GET" });
      const [, , late] = await Promise.all([leftRun(0), leftRun(50), lateRun(world, 100)]);
      assertLate(late);
    });
  },
);

/** The JavaScript that wasm calls, with a `waitUntil` that keeps nothing. */
async function importGlue() {
  const modules = {
    "cloudflare:sockets": "export function connect() {}",
    "cloudflare:workers": "export function waitUntil() {}",
  };
  const hooks = registerHooks({
    resolve: (name, context, next) =>
      name in modules
        ? { url: `data:text/javascript,${encodeURIComponent(modules[name])}`, shortCircuit: true }
        : next(name, context),
  });
  try {
    return await import("../../src/worker/glue.js");
  } finally {
    hooks.deregister();
  }
}

test("a timer that went with its request is replaced by the next lookup's, and none is forgotten", async (t) => {
  const { prepare, send } = await importGlue();
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const target = prepare({ fetch: () => new Promise(() => {}) }, "GET", "https://redis", "");
  const ended = [];
  const done = (...answer) => ended.push(answer);
  const lookUp = (call) =>
    send(target, undefined, DEADLINE_MS, false, 1024, undefined, true, done, call);
  const pass = async (ms) => {
    t.mock.timers.tick(ms);
    await Promise.resolve();
  };

  const lost = mock.method(globalThis, "setTimeout", () => {}, { times: 1 });
  lookUp(1);
  assert.equal(lost.mock.callCount(), 1);
  await pass(DEADLINE_MS + 2_000);
  assert.deepEqual(ended, []);
  lookUp(2);
  await pass(1);
  assert.deepEqual(ended, [[1, 0, "TimeoutError"]]);
  await pass(DEADLINE_MS - 2);
  assert.equal(ended.length, 1);
  await pass(1);
  assert.deepEqual(ended[1], [2, 0, "TimeoutError"]);
});
