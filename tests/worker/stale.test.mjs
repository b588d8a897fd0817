/** Outputs beyond their ttl (RFC 5861): served while they are made anew, or when the node fails. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { behaviours } from "../support/upstream.mjs";
import { cached, overBothStores, uniqueText } from "../support/world.mjs";

const HOUR_MS = 3_600_000;
const WAIT_MS = 5_000;

const statusOf = ({ headers }) => headers["cache-status"].replace(/; key=.*/, "");
const cacheOf = ({ json }) => [json.cache.status, json.cache.reason];
const run = (world, node, text) => world.run(cached(text), { node });

/** Waits until a condition holds. */
async function until(holds) {
  const patience = AbortSignal.timeout(WAIT_MS);
  while (!(await holds())) {
    assert.ok(!patience.aborted, `in vain for ${WAIT_MS} ms: ${holds}`);
    await after(20);
  }
}

overBothStores("an output beyond its ttl", { workflows: "tests" }, (world) => {
  /** Runs a node for the first time, and lets the entry be over for so many seconds. */
  async function stale(node, text, seconds) {
    const { json } = await run(world, node, text);
    const { key } = json.cache;
    const envelope = JSON.parse(await world.stored(key));
    assert.equal(envelope.fresh_until - envelope.stored_at, HOUR_MS);
    const aged = { stored_at: -HOUR_MS - seconds * 1000, fresh_until: -seconds * 1000 };
    for (const [name, ms] of Object.entries(aged)) envelope[name] = Date.now() + ms;
    await world.store.set(key, JSON.stringify(envelope));
    return key;
  }

  test("is kept for as long as its longest window", async () => {
    for (const [node, seconds] of Object.entries({
      "together-canonical": 3600,
      revalidated: 3660,
      "tolerated-if-stale": 3660,
      "both-windows": 3660,
    })) {
      const { json } = await run(world, node, uniqueText());
      await world.stored(json.cache.key);
      const left = await world.store.pttl(json.cache.key);
      assert.ok(left > (seconds - 10) * 1000 && left <= seconds * 1000, `${node}: ${left}`);
    }
  });

  test("is served at once while it is made anew, once for many who ask", async () => {
    const text = uniqueText();
    const key = await stale("revalidated", text, 7);
    world.upstream.behave(behaviours.late(500));
    const runs = Array.from({ length: 20 }, () => run(world, "revalidated", text));
    const answers = await Promise.all(runs);
    for (const answer of answers) {
      assert.equal(answer.json.output.content, "Summary 1.");
      assert.equal(answer.json.is_output_from_cache, true);
      assert.deepEqual(cacheOf(answer), ["hit", "stale-while-revalidate"]);
      assert.match(statusOf(answer), /^edgememo; hit; ttl=-(8|9|10)$/);
      assert.ok(Number(answer.headers.age) >= 3607, answer.headers.age);
    }
    await until(() => world.logged("refresh").length > 0);
    assert.equal(world.upstream.calls.length, 2);
    const [refresh] = world.logged("refresh");
    assert.deepEqual(
      [refresh.node, refresh.status, refresh.write],
      ["revalidated", "success", "stored"],
    );
    const fresh = await run(world, "revalidated", text);
    assert.equal(statusOf(fresh), "edgememo; hit");
    assert.equal(fresh.json.output.content, "Summary 2.");
    assert.ok((await world.store.pttl(key)) > HOUR_MS);
  });

  test("is served also when it cannot be made anew, which is not tried again at once", async () => {
    const text = uniqueText();
    await stale("revalidated", text, 7);
    world.upstream.behave(behaviours.fail(500, "down"));
    const before = world.logged("refresh").length;
    assert.equal((await run(world, "revalidated", text)).json.output.content, "Summary 1.");
    await until(() => world.logged("refresh").length > before);
    assert.equal(world.logged("refresh").at(-1).status, "failure");
    assert.equal((await run(world, "revalidated", text)).json.output.content, "Summary 1.");
    await after(300);
    assert.equal(world.upstream.calls.length, 2);
  });

  test("is not served any more when its window is over", async () => {
    const text = uniqueText();
    await stale("revalidated", text, 61);
    const answer = await run(world, "revalidated", text);
    assert.deepEqual(cacheOf(answer), ["miss", null]);
    assert.equal(answer.json.output.content, "Summary 2.");
  });

  const failures = {
    429: [behaviours.fail(429, { error: { message: "slow down" } }), "; fwd-status=429"],
    500: [behaviours.fail(500, "down"), "; fwd-status=500"],
    503: [behaviours.fail(503, "down"), "; fwd-status=503"],
    "a timeout": [behaviours.hang(), ""],
    "a broken connection": [behaviours.reset(), ""],
  };
  for (const [name, [behaviour, forwarded]] of Object.entries(failures)) {
    test(`is served when the provider fails with ${name}`, async () => {
      const text = uniqueText();
      await stale("tolerated-if-stale", text, 7);
      world.upstream.behave(behaviour);
      const answer = await run(world, "tolerated-if-stale", text);
      assert.equal(answer.status, 200);
      assert.equal(answer.json.output.content, "Summary 1.");
      assert.equal(answer.json.is_output_from_cache, true);
      assert.deepEqual(cacheOf(answer), ["stale", "stale-if-error"]);
      assert.equal(statusOf(answer), `edgememo; fwd=stale${forwarded}; detail=stale-if-error`);
      assert.ok(Number(answer.headers.age) >= 3607, answer.headers.age);
    });
  }

  test("is not served when the provider refuses the request, nor when it answers", async () => {
    const text = uniqueText();
    await stale("tolerated-if-stale", text, 7);
    world.upstream.behave(behaviours.fail(400, { error: { message: "no" } }));
    assert.equal((await run(world, "tolerated-if-stale", text)).status, 502);
    world.upstream.behave(behaviours.answer("New."));
    const answer = await run(world, "tolerated-if-stale", text);
    assert.equal(answer.json.output.content, "New.");
    assert.deepEqual(cacheOf(answer), ["miss", null]);
  });

  test("is not served to a failure when that window is over", async () => {
    const text = uniqueText();
    await stale("tolerated-if-stale", text, 61);
    world.upstream.behave(behaviours.fail(500, "down"));
    assert.equal((await run(world, "tolerated-if-stale", text)).status, 502);
  });

  test("is served to all who wait for one that fails", async () => {
    const text = uniqueText();
    await stale("both-windows", text, 7);
    world.upstream.behave(behaviours.late(200, behaviours.fail(500, "down")));
    const runs = Array.from({ length: 10 }, () => run(world, "both-windows", text));
    for (const answer of await Promise.all(runs)) {
      assert.deepEqual(cacheOf(answer), ["stale", "stale-if-error"]);
      assert.equal(answer.json.output.content, "Summary 1.");
    }
    assert.equal(world.upstream.calls.length, 1 + 3);
  });
});
