/** A run with `"trace": true` also says what became of its write, for which it then waits. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { lookupMs } from "../support/survival.mjs";
import { faults } from "../support/upstash-front.mjs";
import { behaviours } from "../support/upstream.mjs";
import { cached, keyOf, overBothStores, uniqueText, withWorld } from "../support/world.mjs";

const WRITE_MS = 1_000;
const settings = {
  CACHE_WRITE_TIMEOUT_MS: String(WRITE_MS),
  CACHE_MAX_VALUE_BYTES: "4000",
};

const traced = (text, cache) => ({ ...cached(text, cache), trace: true });
const writes = ({ json }) => json.trace.filter(({ event }) => event === "cache_write");

/** The one event about a write, which is the last and says the same as the log. */
async function theWrite(world, answer) {
  const [write] = writes(answer);
  assert.deepEqual(answer.json.trace.at(-1), write);
  assert.deepEqual(writes(answer), [write]);
  const { event: _event, at_ms: atMs, ...rest } = write;
  const { node, write: outcome } = await world.loggedRun(answer.json.run_id);
  assert.deepEqual(rest, { node_id: node, outcome });
  return { outcome, atMs };
}

overBothStores("a traced run", { env: settings }, (world) => {
  test("is answered when its output is stored, and says so", async () => {
    const text = uniqueText();
    const answer = await world.run(traced(text));
    assert.notEqual(await world.store.get(keyOf(text)), null);
    assert.equal((await theWrite(world, answer)).outcome, "stored");
    // The header says no more than of a run without a trace.
    assert.match(answer.headers["cache-status"], /^edgememo; fwd=miss; detail=store-scheduled;/);
  });

  test("that is a hit has no write", async () => {
    const text = uniqueText();
    await world.run(traced(text));
    const hit = await world.run(traced(text));
    assert.deepEqual([hit.json.cache.status, writes(hit)], ["hit", []]);
    assert.deepEqual(writes(await world.run({ input: { text }, trace: true })), []);
  });

  test("names a value over the limit too-large", async () => {
    world.upstream.behave(behaviours.answer("x".repeat(3000)));
    const answer = await world.run(traced(uniqueText()));
    assert.equal((await theWrite(world, answer)).outcome, "too-large");
    assert.equal(answer.json.output.content.length, 3000);
  });

  test("names an output that is not to be stored not-admissible", async () => {
    const zero = await world.run(traced(uniqueText(), { namespace: "my-app", ttl: 0 }));
    assert.equal((await theWrite(world, zero)).outcome, "not-admissible");
    world.upstream.behave(behaviours.fail(500, { error: { message: "oops" } }));
    const failed = await world.run(traced(uniqueText()));
    assert.equal(failed.status, 502);
    assert.equal((await theWrite(world, failed)).outcome, "not-admissible");
  });
});

const hanging = { env: { ...settings, CACHE_WRITE_TIMEOUT_MS: "200" }, writesHang: true };

overBothStores("the write of a traced run", hanging, (world) => {
  test("is timed-out when there is no answer in time, and the run is answered", async () => {
    world.store.front?.fail(faults.hang, { only: "SETEX" });
    const answer = await world.run(traced(uniqueText()));
    assert.equal(answer.status, 200);
    const { outcome, atMs } = await theWrite(world, answer);
    assert.equal(outcome, "timed-out");
    assert.ok(atMs >= 200 && answer.elapsed < 1_000, `${answer.elapsed} ms`);
  });
});

withWorld("a Redis that is slow to write", { store: "redis", env: settings }, (world) => {
  test("delays a traced run for as long as the write takes", async () => {
    world.store.front.fail(faults.slow(WRITE_MS / 2), { only: "SETEX" });
    const answer = await world.run(traced(uniqueText()));
    const { outcome, atMs } = await theWrite(world, answer);
    assert.equal(outcome, "stored");
    assert.ok(atMs >= WRITE_MS / 2 && answer.elapsed >= WRITE_MS / 2, `${atMs} ms`);
    // What was waited for is what the run itself waited for.
    assert.ok(lookupMs(answer) < WRITE_MS / 2);
  });

  test("does not delay a run without a trace", async () => {
    const text = uniqueText();
    world.store.front.fail(faults.slow(WRITE_MS / 2), { only: "SETEX" });
    const { elapsed, json } = await world.run(cached(text));
    assert.ok(elapsed < WRITE_MS / 2, `${elapsed} ms`);
    assert.equal(await world.store.get(keyOf(text)), null);
    assert.equal((await world.loggedRun(json.run_id)).write, "stored");
  });
});

overBothStores("a traced workflow", { workflows: "tests" }, (world) => {
  test("says of each node that missed what became of its write", async () => {
    const given = traced(uniqueText());
    const first = await world.runWorkflow("two", given);
    assert.equal(first.status, 200, first.text);
    const outcomes = writes(first).map(({ node_id, outcome }) => [node_id, outcome]);
    assert.deepEqual(outcomes.toSorted(), [
      ["A", "stored"],
      ["B", "stored"],
    ]);
    const second = await world.runWorkflow("two", given);
    assert.deepEqual([second.json.is_output_from_cache, writes(second)], [true, []]);
  });
});
