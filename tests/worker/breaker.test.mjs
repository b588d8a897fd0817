/** A Redis that keeps failing is left alone for a while: runs do not wait for it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { lookupMs } from "../support/survival.mjs";
import { faults } from "../support/upstash-front.mjs";
import { cached, keyOf, uniqueText, withWorld } from "../support/world.mjs";

const DEADLINE_MS = 100;
const PAUSE_MS = 2_000;
/** So many lookups a new isolate has to see before it judges them. */
const MIN_LOOKUPS = 5;

const reasonOf = async (run) => (await run).json.cache.reason;
const changes = (world) => world.logged("breaker").map(({ from, to }) => `${from} to ${to}`);
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
async function ready(world) {
  const headers = { authorization: `Bearer ${world.keys.team}` };
  return (await world.send("/readyz", { headers })).json;
}

const settings = (pauseMs) => ({
  CACHE_LOOKUP_TIMEOUT_MS: String(DEADLINE_MS),
  CACHE_BREAKER_PAUSE_MS: String(pauseMs),
});

withWorld("a Redis that hangs", { store: "redis", env: settings(PAUSE_MS) }, (world) => {
  // One test, since the steps belong to one isolate.
  test("is left alone, probed by one run after a pause, and used again when it is well", async () => {
    const { front } = world.store;
    front.fail(faults.hang);
    for (let run = 0; run < MIN_LOOKUPS; run += 1) {
      assert.equal(await reasonOf(world.run(cached(uniqueText()))), "redis-timeout");
    }
    // Open: Redis hears of nothing, neither lookups nor writes.
    front.journal.length = 0;
    for (let run = 0; run < 10; run += 1) {
      const { json, headers } = await world.run(cached(uniqueText()));
      assert.equal(json.cache.reason, "redis-circuit-open");
      assert.match(headers["cache-status"], /^edgememo; fwd=miss; detail=redis-circuit-open;/);
      assert.equal((await world.loggedRun(json.run_id)).write, "circuit-open");
    }
    assert.equal((await ready(world)).breaker, "open");
    assert.deepEqual(front.commandNames(), ["PING"]);
    assert.deepEqual(changes(world), ["closed to open"]);
    assert.equal(world.logged("breaker")[0].reason, "redis-timeout");

    // Half-open: of many at once, one asks.
    await after(PAUSE_MS);
    front.journal.length = 0;
    const runs = Array.from({ length: 10 }, () => reasonOf(world.run(cached(uniqueText()))));
    const reasons = (await Promise.all(runs)).toSorted();
    assert.deepEqual(reasons, [...Array(9).fill("redis-circuit-open"), "redis-timeout"]);
    assert.deepEqual(front.commandNames(), ["GET"]);
    assert.deepEqual(changes(world).slice(1), ["open to half-open", "half-open to open"]);

    // Closed: the probe was answered, and its own output is stored.
    await after(PAUSE_MS);
    await world.store.reset();
    const text = uniqueText();
    assert.equal(await reasonOf(world.run(cached(text))), null);
    await world.stored(keyOf(text));
    assert.equal((await world.run(cached(text))).json.cache.status, "hit");
    assert.deepEqual(changes(world).slice(3), ["open to half-open", "half-open to closed"]);
  });
});

withWorld("a Redis that limits the rate", { store: "redis" }, (world) => {
  test("is asked all the same: it is busy and not broken", async () => {
    world.store.front.fail(faults.tooManyRequests, { only: "GET" });
    for (let run = 0; run < 3 * MIN_LOOKUPS; run += 1) {
      assert.equal(await reasonOf(world.run(cached(uniqueText()))), "redis-busy");
    }
    assert.deepEqual(changes(world), []);
    assert.equal((await ready(world)).breaker, "closed");
  });
});

withWorld("values that cannot be used", { store: "redis" }, (world) => {
  test("do not make Redis a broken one", async () => {
    for (let run = 0; run < 3 * MIN_LOOKUPS; run += 1) {
      const text = uniqueText();
      await world.store.set(keyOf(text), "hello world");
      assert.equal(await reasonOf(world.run(cached(text))), "not-base64");
    }
    assert.deepEqual(changes(world), []);
  });
});

const faultsOf = [
  ["refuses connections", ({ front }) => front.refuse(), "redis-unreachable"],
  ["hangs", ({ front }) => front.fail(faults.hang), "redis-timeout"],
];
const cases = ["redis", "resp"].flatMap((store) => faultsOf.map((fault) => [store, ...fault]));

for (const [store, name, fail, reason] of cases) {
  withWorld(`what a Redis costs that ${name}`, { store, env: settings(600_000) }, (world) => {
    test("is a deadline at most, and nothing once it is known", async (t) => {
      await fail(world.store);
      const before = [];
      for (let run = 0; run < MIN_LOOKUPS; run += 1) {
        const answer = await world.run(cached(uniqueText()));
        assert.equal(answer.json.cache.reason, reason);
        before.push(lookupMs(answer));
      }
      // Pairs of runs with and without the cache, so that what else the machine does meets both.
      const [open, bypassed] = [[], []];
      for (let run = 0; run < 100; run += 1) {
        const answer = await world.run(cached(uniqueText()));
        assert.equal(answer.json.cache.reason, "redis-circuit-open");
        open.push(answer.elapsed);
        bypassed.push((await world.run({ input: { text: uniqueText() } })).elapsed);
      }
      const added = (median(open) - median(bypassed)).toFixed(2);
      const measured = `measured: ${store}, ${name}`;
      t.diagnostic(`${measured}, deadline ${DEADLINE_MS} ms | lookups took ${before} ms`);
      t.diagnostic(`${measured}, breaker open | 200 | redis-circuit-open | ${added} ms`);
    });
  });
}

withWorld("a Redis far away", { store: "redis" }, (world) => {
  test("with a round trip of 250 ms answers the second run", async (t) => {
    world.store.front.fail(faults.slow(250));
    const text = uniqueText();
    await world.run(cached(text));
    await world.stored(keyOf(text));
    const second = await world.run(cached(text));
    assert.equal(second.json.cache.status, "hit");
    t.diagnostic(`measured: round trip of 250 ms | 200, a hit | | ${lookupMs(second)} ms`);
  });
});
