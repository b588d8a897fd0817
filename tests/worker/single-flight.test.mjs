/** Equal runs at once share one execution: across requests, isolates and processes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { faults } from "../support/upstash-front.mjs";
import { behaviours } from "../support/upstream.mjs";
import { cached, overAllStores, uniqueText, withWorld } from "../support/world.mjs";

const MANY = 200;
const EXECUTION_MS = 2_000;
const LEASE_MS = 10_000;
/** The longest pause between two looks of who waits. */
const PAUSE_MS = 2_000;
const RENEWAL_MS = 3_000;
/** From its lookup on. */
const MAX_COMMANDS = 21;
/** Those of who executes for the others: a lookup, a lease and a look, a renewal, an entry, a release. */
const HOLDER_COMMANDS = 6;

/** What a busy machine may take: a lookup that comes too late makes a run execute by itself. */
const env = { CACHE_LOOKUP_TIMEOUT_MS: "5000" };
const options = { workflows: "tests", timeout: 120_000, env };
const together = (world, text, rest) => world.run(cached(text), { node: "together", ...rest });
const many = (count, run) => Promise.all(Array.from({ length: count }, (_, index) => run(index)));
const contents = (answers) => [...new Set(answers.map(({ json }) => json.output?.content))];
const statusOf = ({ headers }) => headers["cache-status"].replace(/; key=.*/, "");
/** How often each comes. */
const tally = (values) =>
  Object.fromEntries(Object.entries(Object.groupBy(values, String)).map(([k, v]) => [k, v.length]));

overAllStores("equal runs at once", options, (world) => {
  test("make one call, and all get its output", async () => {
    world.upstream.behave(behaviours.late(EXECUTION_MS));
    const text = uniqueText();
    const answers = await many(MANY, () => together(world, text));
    assert.equal(world.upstream.calls.length, 1);
    assert.deepEqual(contents(answers), ["Summary 1."]);
    assert.ok(answers.every(({ status }) => status === 200));
    assert.deepEqual(tally(answers.map(statusOf)), {
      "edgememo; fwd=miss; detail=store-scheduled": 1,
      "edgememo; fwd=miss; collapsed": MANY - 1,
    });
    const waited = answers.filter(({ json }) => json.cache.reason === "collapsed");
    assert.ok(waited.every(({ json }) => json.is_output_from_cache));
    assert.ok(waited.every(({ json }) => json.cache.status === "miss"));
    // Nothing of it stays but the entry.
    const hit = await together(world, text);
    assert.equal(statusOf(hit), "edgememo; hit");
  });

  test("fail alike when the provider refuses the request, which it is asked once", async () => {
    world.upstream.behave(behaviours.late(500, behaviours.fail(400, { error: { message: "no" } })));
    const text = uniqueText();
    const answers = await many(20, () => together(world, text));
    assert.equal(world.upstream.calls.length, 1);
    for (const { status, json } of answers) {
      assert.equal(status, 502);
      assert.equal(json.error.message, "the provider answered with status 400: no");
    }
    // A run that comes later is another matter.
    world.upstream.behave(behaviours.answer("Well again."));
    assert.equal((await together(world, text)).json.output.content, "Well again.");
  });

  test("fail alike when the provider keeps failing, after three calls at most", async () => {
    world.upstream.behave(behaviours.late(500, behaviours.fail(500, "down")));
    const text = uniqueText();
    const answers = await many(50, () => together(world, text));
    assert.equal(world.upstream.calls.length, 3);
    const failures = tally(answers.map(({ status, json }) => `${status} ${json.error.message}`));
    assert.deepEqual(failures, { "502 the provider answered with status 500": 50 });
    assert.ok(answers.every(({ json }) => json.cache.status === "miss"));
  });

  test("have the output of who took over, when the first failed for a reason that passes", async () => {
    world.upstream.behave((call, response) => {
      const next = call.number === 1 ? behaviours.fail(503, "busy") : behaviours.answer("Second.");
      behaviours.late(300, next)(call, response);
    });
    const text = uniqueText();
    const answers = await many(20, () => together(world, text));
    assert.equal(world.upstream.calls.length, 2);
    assert.deepEqual(tally(answers.map(({ status }) => status)), { 200: 19, 502: 1 });
  });

  test("under canonical keys share as well", async () => {
    world.upstream.behave(behaviours.late(500));
    const text = uniqueText();
    const run = () => world.run(cached(text), { node: "together-canonical" });
    const answers = await many(20, run);
    assert.equal(world.upstream.calls.length, 1);
    assert.deepEqual(contents(answers), ["Summary 1."]);
  });

  test("do not wait for the rest of the flow in which the first of them is", async () => {
    const long = 4_000;
    world.upstream.behave((call, response) => {
      const ms = call.text.includes("At length") ? long : 500;
      behaviours.late(ms, behaviours.answer(`After ${ms} ms.`))(call, response);
    });
    const text = uniqueText();
    const flow = world.runWorkflow("at-length", cached(text));
    await after(100);
    const waited = await together(world, text);
    assert.equal(waited.json.cache.reason, "collapsed");
    assert.ok(waited.elapsed < long - 500, `${waited.elapsed} ms`);
    const { json } = await flow;
    assert.equal(json.output.together.output.content, "After 500 ms.");
    const line = await world.loggedRun(json.run_id);
    assert.deepEqual([line.node, line.write], ["together", "stored"]);
    assert.equal(world.upstream.calls.length, 2);
    const names = world.store.front?.commandNames();
    if (names) assert.equal(names.filter((name) => name === "SETEX").length, 1);
  });

  test("of a node that wants it so execute each", async () => {
    world.upstream.behave(behaviours.late(300));
    const text = uniqueText();
    const answers = await many(5, () => world.run(cached(text), { node: "alone" }));
    assert.equal(world.upstream.calls.length, 5);
    assert.ok(answers.every(({ json }) => json.cache.reason === null));
  });

  test("wait no longer than they may, and execute then", async () => {
    world.upstream.behave(behaviours.late(1_500));
    const text = uniqueText();
    const first = world.run(cached(text), { node: "hasty" });
    await after(100);
    const second = await world.run(cached(text), { node: "hasty" });
    assert.equal(world.upstream.calls.length, 2);
    assert.equal(second.json.cache.reason, "single-flight-timeout");
    assert.equal(
      statusOf(second),
      "edgememo; fwd=miss; collapsed=?0; detail=single-flight-timeout",
    );
    await first;
  });

  test("wait for as long as an attempt of their own may take, where nothing else is said", async () => {
    const text = uniqueText();
    world.upstream.behave(behaviours.hang());
    const answers = await many(3, () => world.run(cached(text), { node: "impatient" }));
    assert.ok(answers.every(({ status }) => status === 504));
    assert.ok(answers.every(({ elapsed }) => elapsed < 5_000));
  });
});

withWorld("the Redis of equal runs at once", { ...options, store: "redis" }, (world) => {
  const keysLeft = () => world.store.client.keys("edgememo:*");

  test("hears of a run that waits no more than 21 commands, and keeps no lease", async () => {
    world.upstream.behave(behaviours.late(EXECUTION_MS * 2));
    const text = uniqueText();
    const first = together(world, text);
    await after(100);
    const second = await together(world, text);
    await first;
    assert.equal(second.json.cache.reason, "collapsed");
    await world.loggedRun((await first).json.run_id);
    const { length } = world.store.front.commandNames();
    assert.ok(length <= MAX_COMMANDS + HOLDER_COMMANDS, `${length} commands`);
    assert.deepEqual(await keysLeft(), []);
  });

  test("has a lease that is kept alive for as long as an execution takes", async () => {
    world.upstream.behave(behaviours.late(LEASE_MS + 1_500));
    const text = uniqueText();
    const first = together(world, text);
    await after(RENEWAL_MS + 500);
    const [lease] = await keysLeft();
    assert.match(lease, /^edgememo:[0-9a-f]{64}:lease$/);
    assert.ok((await world.store.client.pTTL(lease)) > LEASE_MS - 1_500);
    await after(LEASE_MS - RENEWAL_MS);
    const second = await together(world, text);
    await first;
    assert.equal(second.json.cache.reason, "collapsed");
    assert.equal(world.upstream.calls.length, 1);
  });

  test("that refuses leases costs a call for each, and no failure", async () => {
    world.store.front.fail(faults.commandError, { only: "SET" });
    world.upstream.behave(behaviours.late(300));
    const text = uniqueText();
    const answers = await many(5, () => together(world, text));
    assert.equal(world.upstream.calls.length, 5);
    assert.ok(answers.every(({ json }) => json.cache.reason === null));
  });

  test("that fails when it is asked for a lease costs a call, and names the reason", async () => {
    world.store.front.fail(faults.htmlError, { only: "SET" });
    const { status, json } = await together(world, uniqueText());
    assert.equal(status, 200);
    assert.deepEqual([json.cache.status, json.cache.reason], ["miss", "redis-error"]);
    await world.loggedRun(json.run_id);
  });

  test("that fails while runs wait costs a call for each of them, and names the reason", async () => {
    world.upstream.behave(behaviours.late(EXECUTION_MS));
    const text = uniqueText();
    const first = together(world, text);
    await after(100);
    const waiting = many(5, () => together(world, text));
    await after(200);
    world.store.front.fail(faults.htmlError);
    assert.deepEqual(tally((await waiting).map(({ json }) => json.cache.reason)), {
      "redis-error": 5,
    });
    assert.equal(world.upstream.calls.length, 6);
    assert.equal((await first).status, 200);
    await world.settle().catch(() => {});
  });

  test("that cannot store the output lets those who wait execute, and not one after the other", async () => {
    world.store.front.fail(faults.commandError, { only: "SETEX" });
    world.upstream.behave(behaviours.late(EXECUTION_MS));
    const text = uniqueText();
    const started = performance.now();
    const answers = await many(5, () => together(world, text));
    assert.ok(performance.now() - started < EXECUTION_MS * 2 + PAUSE_MS + 1_500);
    assert.equal(world.upstream.calls.length, 5);
    assert.deepEqual(tally(answers.map(({ json }) => json.cache.reason)), {
      null: 1,
      "single-flight-not-shared": 4,
    });
  });

  test("gets the output also when the client that was first has left", async () => {
    world.upstream.behave(behaviours.late(EXECUTION_MS));
    const text = uniqueText();
    const gone = new AbortController();
    const path = "/v1/nodes/together/run";
    const left = fetch(new URL(path, world.worker.url), {
      method: "POST",
      headers: { authorization: `Bearer ${world.keys.team}`, "content-type": "application/json" },
      body: JSON.stringify(cached(text)),
      signal: gone.signal,
    });
    await after(300);
    const waiting = together(world, text);
    await after(300);
    gone.abort();
    await assert.rejects(left);
    assert.equal((await waiting).json.cache.reason, "collapsed");
    assert.equal(world.upstream.calls.length, 1);
  });
});

withWorld("equal runs in two processes", { ...options, store: "redis" }, (world) => {
  test("make one call", async () => {
    const another = await world.startAnother();
    try {
      world.upstream.behave(behaviours.late(EXECUTION_MS));
      const text = uniqueText();
      const workers = [world.worker, another];
      const answers = await many(MANY, (index) =>
        together(world, text, { worker: workers[index % 2] }),
      );
      assert.equal(world.upstream.calls.length, 1);
      assert.deepEqual(contents(answers), ["Summary 1."]);
    } finally {
      await another.close();
    }
  });

  test("go on when the one that executes is killed, within 12 seconds", async (t) => {
    const another = await world.startAnother();
    const calls = [];
    world.upstream.behave((call, response) => {
      calls.push(performance.now());
      if (call.number > 1) behaviours.answer("Second.")(call, response);
    });
    const text = uniqueText();
    const lost = together(world, text, { worker: another }).catch(() => "lost");
    await after(RENEWAL_MS + 200);
    const waiting = many(5, () => together(world, text));
    await after(300);
    const killed = performance.now();
    another.kill();
    assert.equal(await lost, "lost");
    const answers = await waiting;
    assert.deepEqual(contents(answers), ["Second."]);
    assert.equal(calls.length, 2);
    const took = calls[1] - killed;
    t.diagnostic(`measured: the second call came ${Math.round(took)} ms after the kill`);
    assert.ok(took < LEASE_MS + PAUSE_MS, `${took} ms`);
    await another.close().catch(() => {});
  });
});
