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

/** What `waitUntil` was called with. */
const kept = [];

/** The JavaScript that wasm calls, with a `waitUntil` that keeps nothing going. */
async function importGlue() {
  globalThis.keep = (promise) => kept.push(promise);
  const modules = {
    "cloudflare:sockets": "export function connect() {}",
    "cloudflare:workers": "export const waitUntil = globalThis.keep",
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
    delete globalThis.keep;
  }
}

/** Later for each test: for a minute after a call that was late, those that follow need no such timer. */
let clock = 1_000_000_000_000;

/** A Redis that answers when it is told to, and a clock that goes on when it is told to. */
async function manualRedis(t) {
  const { prepare, send } = await importGlue();
  clock += 3_600_000;
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: clock });
  const asked = [];
  const fetch = () => new Promise((resolve) => asked.push(resolve));
  const target = prepare({ fetch }, "GET", "");
  return {
    /** The numbers of the calls that were late, in their order. */
    late: [],
    /** How many were answered. */
    answered: 0,
    call(number, deadline = DEADLINE_MS) {
      const done = (call, status) => {
        if (status === 0) this.late.push(call);
        else this.answered += 1;
      };
      const url = "https://redis";
      send(target, url, undefined, deadline, false, 1024, undefined, true, done, number);
    },
    /** A call whose timer never comes, since its request is gone. */
    callAndVanish(number, deadline) {
      const lost = mock.method(globalThis, "setTimeout", () => {}, { times: 1 });
      this.call(number, deadline);
      assert.equal(lost.mock.callCount(), 1);
      lost.mock.restore();
    },
    answerOldest() {
      asked.shift()(new Response("OK"));
    },
    async pass(ms) {
      t.mock.timers.tick(ms);
      await new Promise(setImmediate);
    },
  };
}

test("a timer that went with its request is replaced by the next lookup's, and none is forgotten", async (t) => {
  const redis = await manualRedis(t);
  redis.callAndVanish(1);
  await redis.pass(DEADLINE_MS + 2_000);
  assert.deepEqual(redis.late, []);
  redis.call(2);
  await redis.pass(1);
  assert.deepEqual(redis.late, [1]);
  await redis.pass(DEADLINE_MS - 2);
  assert.deepEqual(redis.late, [1]);
  await redis.pass(1);
  assert.deepEqual(redis.late, [1, 2]);
});

test("a write whose timer went with its request is ended by that of a lookup", async (t) => {
  const redis = await manualRedis(t);
  redis.callAndVanish(1, 5_000);
  await redis.pass(100);
  redis.call(2);
  await redis.pass(DEADLINE_MS);
  assert.deepEqual(redis.late, [2]);
  await redis.pass(5_000 - 100 - DEADLINE_MS - 1);
  assert.deepEqual(redis.late, [2]);
  await redis.pass(1);
  assert.deepEqual(redis.late, [2, 1]);
});

test("each timer comes to an end although calls go on, and after the last there is none", async (t) => {
  const redis = await manualRedis(t);
  kept.length = 0;
  const lives = [];
  const calls = 100;
  for (let call = 1; call <= calls; call += 1) {
    redis.call(call);
    if (call > 3) redis.answerOldest();
    for (const promise of kept.splice(0)) {
      const life = { began: Date.now() };
      lives.push(life);
      promise.then(() => {
        life.ended = Date.now();
      });
    }
    await redis.pass(50);
  }
  for (let left = 0; left < 3; left += 1) redis.answerOldest();
  await redis.pass(0);
  for (let ms = 0; ms < 2 * DEADLINE_MS; ms += 50) await redis.pass(50);
  assert.deepEqual([redis.answered, redis.late], [calls, []]);
  assert.ok(lives.length > 3 && lives.length < calls / 5, `${lives.length} timers`);
  for (const { began, ended } of lives) {
    assert.ok(ended - began <= 2 * DEADLINE_MS, `${ended - began} ms`);
  }
});
