/** `GET /readyz`: how the Redis is reached and whether it answers, without asking it often. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertProblem } from "../support/assertions.mjs";
import { faults } from "../support/upstash-front.mjs";
import { cached, overAllStores, uniqueText, withWorld } from "../support/world.mjs";

const DEADLINE_MS = 300;
const SLACK_MS = 800;

const ready = (world, rest) =>
  world.send("/readyz", { headers: { authorization: `Bearer ${world.keys.team}` }, ...rest });

overAllStores("readiness", {}, (world) => {
  test("says transport, latency and breaker, to callers with a key", async () => {
    const { status, headers, json } = await ready(world);
    assert.equal(status, 200);
    assert.equal(headers["cache-control"], "private, no-store");
    const { transport, latency_ms, ...others } = json;
    const { UPSTASH_REDIS_REST_URL: rest, REDIS_URL: resp } = world.store.env;
    assert.equal(transport, (rest && "rest") ?? (resp && "resp") ?? "embedded");
    assert.ok(Number.isInteger(latency_ms) && latency_ms >= 0, `${latency_ms}`);
    assert.deepEqual(others, { breaker: "closed", reason: null });
    assert.equal((await ready(world, { method: "HEAD" })).text, "");
    assertProblem(await world.send("/readyz"), 401, "unauthenticated");
  });
});

withWorld("many who ask whether Redis answers", { store: "redis" }, (world) => {
  test("share one PING, which later ones are told of too", async () => {
    world.store.front.fail(faults.slow(50));
    const answers = await Promise.all(Array.from({ length: 50 }, () => ready(world)));
    answers.push(await ready(world));
    for (const { status, json } of answers) {
      assert.equal(status, 200);
      assert.deepEqual(json, answers[0].json);
    }
    assert.deepEqual(world.store.front.commandNames(), ["PING"]);
  });
});

withWorld(
  "a Redis that does not answer",
  { store: "redis", env: { CACHE_LOOKUP_TIMEOUT_MS: String(DEADLINE_MS) } },
  (world) => {
    test("is 503 with the reason within the deadline, and runs go on", async () => {
      world.store.front.fail(faults.hang);
      const answers = await Promise.all(Array.from({ length: 10 }, () => ready(world)));
      for (const { status, json, elapsed } of answers) {
        assert.equal(status, 503);
        const { breaker, latency_ms, reason } = json;
        assert.deepEqual([breaker, latency_ms, reason], ["closed", null, "redis-timeout"]);
        assert.ok(elapsed < DEADLINE_MS + SLACK_MS, `${elapsed} ms`);
      }
      assert.deepEqual(world.store.front.commandNames(), ["PING"]);
      assert.equal((await world.run(cached(uniqueText()))).status, 200);
    });
  },
);
