/** Each run of a node leaves a data point, which says what its line in the log says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { faults } from "../support/upstash-front.mjs";
import { behaviours } from "../support/upstream.mjs";
import { cached, overBothStores, uniqueText, withWorld } from "../support/world.mjs";

/** The places of docs/metrics.md, which tests/metrics.rs holds to the code. */
const BLOBS = ["event", "status", "cache", "reason", "write", "workflow", "caller", "error"];
const DOUBLES = [
  "count",
  "lookup_ms",
  "execute_ms",
  "prompt_tokens",
  "completion_tokens",
  "total_tokens",
];

/** A point with names in the place of places. */
function named({ indexes, blobs, doubles }) {
  assert.deepEqual([indexes.length, blobs.length, doubles.length], [1, 8, 6]);
  return {
    node: indexes[0],
    ...Object.fromEntries(BLOBS.map((name, place) => [name, blobs[place] || null])),
    ...Object.fromEntries(DOUBLES.map((name, place) => [name, doubles[place]])),
  };
}

/** The only point of a run, which has to say the same as the log. */
async function pointOf(world, run) {
  const before = (await world.points(0)).length;
  const { json } = await run();
  const points = await world.points(before + 1);
  assert.equal(points.length, before + 1);
  const point = named(points.at(-1));
  const { run_id: _id, ...told } = await world.loggedRun(json.run_id);
  assert.deepEqual(point, { ...NOTHING, ...told });
  return point;
}

/** What a line in the log leaves out. */
const NOTHING = {
  workflow: null,
  count: 1,
  ...Object.fromEntries(DOUBLES.slice(1).map((name) => [name, 0])),
};

const settings = {
  CACHE_LOOKUP_TIMEOUT_MS: "200",
  CACHE_WRITE_TIMEOUT_MS: "300",
  CACHE_MAX_VALUE_BYTES: "4000",
  CACHE_BREAKER_PAUSE_MS: "0",
};

overBothStores("a data point", { env: settings, metrics: true }, (world) => {
  test("of a miss tells of the write and of the tokens, that of a hit of neither", async () => {
    const text = uniqueText();
    const miss = await pointOf(world, () => world.run(cached(text)));
    assert.equal(miss.node, "summarizer");
    assert.deepEqual([miss.status, miss.cache, miss.reason], ["success", "miss", null]);
    assert.deepEqual([miss.write, miss.caller, miss.error], ["stored", "team", null]);
    assert.deepEqual(
      [miss.count, miss.prompt_tokens, miss.completion_tokens, miss.total_tokens],
      [1, 9, 4, 13],
    );
    const hit = await pointOf(world, () => world.run(cached(text)));
    assert.deepEqual([hit.cache, hit.write], ["hit", null]);
    assert.deepEqual([hit.count, hit.execute_ms, hit.total_tokens], [1, 0, 0]);
  });

  test("of a run without the cache says why", async () => {
    const point = await pointOf(world, () => world.run({ input: { text: uniqueText() } }));
    assert.deepEqual([point.cache, point.reason], ["bypass", "no-cache-config"]);
    assert.deepEqual([point.write, point.lookup_ms], [null, 0]);
  });

  test("of a failure has the type of the error, and that nothing was stored", async () => {
    world.upstream.behave(behaviours.fail(500, { error: { message: "oops" } }));
    const failed = await pointOf(world, () => world.run(cached(uniqueText())));
    assert.deepEqual([failed.status, failed.error], ["failure", "UpstreamError"]);
    assert.deepEqual([failed.cache, failed.write], ["miss", "not-admissible"]);
    const refused = await pointOf(world, () => world.run({ input: 1 }));
    assert.deepEqual([refused.status, refused.error], ["failure", "ValidationError"]);
  });

  test("says why an output was not to be stored", async () => {
    const zero = { namespace: "my-app", ttl: 0 };
    const point = await pointOf(world, () => world.run(cached(uniqueText(), zero)));
    assert.deepEqual([point.reason, point.write], ["ttl-zero", "not-admissible"]);
  });

  test("says when a value was too large", async () => {
    world.upstream.behave(behaviours.answer("x".repeat(3000)));
    assert.equal((await pointOf(world, () => world.run(cached(uniqueText())))).write, "too-large");
  });

  test("of a traced run is one too", async () => {
    const body = { ...cached(uniqueText()), trace: true };
    assert.equal((await pointOf(world, () => world.run(body))).write, "stored");
  });

  test("has nothing of what was said, and neither key nor namespace", async () => {
    const text = uniqueText();
    let json;
    await pointOf(world, async () => {
      const answer = await world.run(cached(text));
      json = answer.json;
      return answer;
    });
    const points = JSON.stringify(await world.points());
    const said = [text, json.output.content, json.run_id, "my-app", ...json.cache.key.split(":")];
    for (const secret of said.filter((part) => part !== "summarizer")) {
      assert.ok(!points.includes(secret), secret);
    }
  });
});

withWorld("the data point of a run", { store: "redis", env: settings, metrics: true }, (world) => {
  const lookups = {
    "redis-timeout": faults.hang,
    "redis-error": faults.commandError,
    "redis-busy": faults.tooManyRequests,
  };
  for (const [reason, fault] of Object.entries(lookups)) {
    test(`names the reason of a lookup that failed: ${reason}`, async () => {
      world.store.front.fail(fault, { only: "GET" });
      const point = await pointOf(world, () => world.run(cached(uniqueText())));
      assert.deepEqual([point.cache, point.reason, point.write], ["miss", reason, "stored"]);
      assert.ok(point.lookup_ms >= (reason === "redis-timeout" ? 180 : 0), `${point.lookup_ms}`);
    });
  }

  const writes = {
    refused: faults.commandError,
    "timed-out": faults.hang,
  };
  for (const [outcome, fault] of Object.entries(writes)) {
    test(`says that its write was ${outcome}`, async () => {
      world.store.front.fail(fault, { only: "SETEX" });
      const point = await pointOf(world, () => world.run(cached(uniqueText())));
      assert.deepEqual([point.status, point.cache, point.write], ["success", "miss", outcome]);
    });
  }
});

const open = { ...settings, CACHE_BREAKER_PAUSE_MS: "600000" };

withWorld("metrics of an open breaker", { store: "redis", env: open, metrics: true }, (world) => {
  test("are those of the runs that went without the cache", async () => {
    world.store.front.fail(faults.commandError);
    let runs = 0;
    for (; world.logged("breaker").length === 0; runs += 1) await world.run(cached(uniqueText()));
    await world.points(runs);
    const point = await pointOf(world, () => world.run(cached(uniqueText())));
    assert.deepEqual([point.reason, point.write], ["redis-circuit-open", "circuit-open"]);
  });
});

withWorld("metrics of a workflow", { metrics: true, workflows: "tests" }, (world) => {
  test("are a point for each of its nodes, also of those that were skipped", async () => {
    world.upstream.behave((call, response) =>
      (call.number === 1 ? behaviours.fail(500, "no") : behaviours.answer())(call, response),
    );
    const { json } = await world.runWorkflow("broken", cached(uniqueText()));
    const points = (await world.points(4)).map(named);
    const told = points.map(({ node, workflow, status }) => [node, workflow, status]);
    assert.deepEqual(
      told.toSorted(),
      Object.entries(json.output)
        .map(([node, { status }]) => [node, "broken", status])
        .toSorted(),
    );
    const outcomes = points.map(({ node, write }) => [node, write]);
    assert.deepEqual(Object.fromEntries(outcomes), {
      failing: "not-admissible",
      "after-failing": null,
      "after-skipped": null,
      beside: "stored",
    });
  });
});

withWorld("metrics of what is made anew", { metrics: true, workflows: "tests" }, (world) => {
  test("are a point of their own, with the tokens", async () => {
    const body = cached(uniqueText(), { namespace: "my-app", ttl: 1 });
    const run = () => world.run(body, { node: "revalidated" });
    const first = await run();
    await world.stored(first.json.cache.key);
    await after(1_200);
    const stale = await run();
    assert.equal(stale.json.cache.reason, "stale-while-revalidate");
    const [, ...points] = (await world.points(3)).map(named);
    const told = points.map(({ event, cache, write, total_tokens: tokens }) => [
      event,
      cache,
      write,
      tokens,
    ]);
    assert.deepEqual(told.toSorted(), [
      ["refresh", "miss", "stored", 13],
      ["run", "hit", null, 0],
    ]);
  });
});

withWorld("a dataset that takes no points", { store: "embedded", metrics: true }, (world) => {
  test("fails no run", async () => {
    // The stub refuses the points of this node.
    const input = { text: uniqueText(), language: "French" };
    const body = { input, config: { cache: { namespace: "my-app" } } };
    const runs = () => world.run(body, { node: "translator" });
    const first = await runs();
    assert.deepEqual([first.status, first.json.cache.status], [200, "miss"]);
    await world.stored(first.json.cache.key);
    const hit = await runs();
    assert.deepEqual([hit.status, hit.json.cache.status], [200, "hit"]);
    await pointOf(world, () => world.run(cached(uniqueText())));
  });
});

const bindings = {
  "that is a text": { env: { METRICS: "true" } },
  "of wrangler dev": { metrics: "local" },
};
for (const [name, options] of Object.entries(bindings)) {
  withWorld(`a binding METRICS ${name}`, { store: "embedded", ...options }, (world) => {
    test("is no hindrance", async () => {
      const text = uniqueText();
      const { status, json } = await world.run(cached(text));
      assert.equal(status, 200);
      assert.equal((await world.loggedRun(json.run_id)).write, "stored");
      assert.equal((await world.run(cached(text))).json.cache.status, "hit");
    });
  });
}
