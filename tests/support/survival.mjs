/** What has to hold whatever a Redis does, for the tests that make one fail. */
import assert from "node:assert/strict";
import { base64, cached, keyOf, uniqueText } from "./world.mjs";

/** What a run may take on top of the deadline on a busy machine. */
export const SLACK_MS = 800;

/** What the lookup took in milliseconds, by the clock of the Worker. */
export const lookupMs = ({ headers }) =>
  Number(/cache;dur=(\d+)/.exec(headers["server-timing"])?.[1]);

/** The upstream's first answer, and a miss for that reason. */
export function assertExecuted(world, answer, reason) {
  assert.equal(answer.status, 200);
  assert.equal(answer.json.status, "success");
  assert.equal(answer.json.output.content, "Summary 1.");
  assert.deepEqual([answer.json.cache.status, answer.json.cache.reason], ["miss", reason]);
  assert.match(
    answer.headers["cache-status"],
    new RegExp(`^edgememo; fwd=miss; detail=${reason}; key="`),
  );
  assert.equal(world.upstream.calls.length, 1);
}

/**
 * With the fault a run executes, in time, and names the reason wherever it is to be named; nothing wrong
 * is served or stored; and the next run that finds Redis well is stored and hit. The Worker must have no
 * pause of its breaker (`CACHE_BREAKER_PAUSE_MS`).
 *
 * @param {import("./world.mjs").World} world
 * @param {import("node:test").TestContext} t gets the time that the lookup took
 * @param {object} fault
 * @param {string} fault.name what Redis does
 * @param {string} fault.reason
 * @param {() => unknown} fault.begin makes Redis fail, until the store is reset
 * @param {number} fault.deadlineMs of a lookup
 */
export async function assertSurvives(world, t, { name, reason, begin, deadlineMs }) {
  const text = uniqueText();
  // Something that could be served wrongly: a part of it, or what a garbled reply holds.
  const [old, fresh] = ["Stored.", "Summary 1."].map((content) =>
    base64(`{"content": ${JSON.stringify(content)}}`),
  );
  await world.store.set(keyOf(text), old);
  await begin();
  const answer = await world.run({ ...cached(text), trace: true });
  assertExecuted(world, answer, reason);
  const [begun] = answer.json.trace.filter(({ event }) => event === "node_execute_start");
  assert.equal(begun.reason, reason);
  const waits = reason === "redis-timeout" ? deadlineMs : 0;
  assert.ok(answer.elapsed >= waits * 0.9, `${answer.elapsed} ms`);
  assert.ok(answer.elapsed < waits + SLACK_MS, `${answer.elapsed} ms`);
  t.diagnostic(`measured: ${name} | 200 | ${reason} | ${lookupMs(answer)} ms`);
  const line = await world.loggedRun(answer.json.run_id);
  assert.deepEqual([line.cache, line.reason], ["miss", reason]);
  await world.store.reset();
  assert.ok([old, fresh].includes(await world.store.get(keyOf(text))));

  const next = uniqueText();
  assert.equal((await world.run(cached(next))).json.cache.reason, null);
  await world.stored(keyOf(next));
  const hit = await world.run(cached(next));
  assert.equal(hit.json.cache.status, "hit");
  assert.equal(hit.json.output.content, "Summary 2.");
}
