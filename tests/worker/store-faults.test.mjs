/** The cache never breaks a run: whatever Redis does, the node executes and the reason is named. */
import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { listen, shut } from "../support/http.mjs";
import { assertExecuted, assertSurvives, SLACK_MS } from "../support/survival.mjs";
import { faults } from "../support/upstash-front.mjs";
import { behaviours } from "../support/upstream.mjs";
import { cached, keyOf, uniqueText, withWorld } from "../support/world.mjs";

const DEADLINE_MS = 200;
/** A write would have come by then. */
const WRITE_WAIT_MS = 400;
/** With the breaker, most of these runs would not ask Redis: see breaker.test.mjs. */
const settings = {
  CACHE_LOOKUP_TIMEOUT_MS: String(DEADLINE_MS),
  CACHE_WRITE_TIMEOUT_MS: "300",
  CACHE_BREAKER_PAUSE_MS: "0",
};

withWorld("a lookup that fails", { store: "redis", env: settings }, (world) => {
  const cases = {
    "refuses connections": [null, "redis-unreachable"],
    "accepts and does not answer": [faults.hang, "redis-timeout"],
    "answers with headers and no body": [faults.hangInBody, "redis-timeout"],
    "answers after the deadline": [faults.slow(DEADLINE_MS * 2), "redis-timeout"],
    "answers slowly, byte by byte": [faults.drip(10), "redis-timeout"],
    "breaks off before the reply": [faults.reset, "redis-unreachable"],
    "breaks off in the middle of the reply": [faults.resetMidReply, "redis-unreachable"],
    "ends the reply in its middle": [faults.truncated, "redis-bad-reply"],
    "garbles the reply": [faults.garbled, "redis-bad-reply"],
    "answers with what is not JSON": [faults.garbage, "redis-bad-reply"],
    "answers with JSON that is no reply": [faults.noResult, "redis-bad-reply"],
    "answers with a result of another type": [faults.resultOfWrongType, "redis-bad-reply"],
    "refuses the token (401)": [faults.wrongToken, "redis-unauthorized"],
    "limits the rate (429)": [faults.tooManyRequests, "redis-busy"],
    "answers with 500 and HTML": [faults.htmlError, "redis-error"],
    "refuses the command": [faults.commandError, "redis-error"],
  };
  for (const [name, [fault, reason]] of Object.entries(cases)) {
    test(`executes, names the reason and stores nothing wrong: Redis ${name}`, (t) => {
      const { front } = world.store;
      const begin = () => (fault ? front.fail(fault) : front.refuse());
      return assertSurvives(world, t, { name, reason, begin, deadlineMs: DEADLINE_MS });
    });
  }

  test("slowly, byte by byte, but within the deadline is an answer", async () => {
    const text = uniqueText();
    await world.run(cached(text));
    await world.stored(keyOf(text));
    world.store.front.fail(faults.drip(1), { only: "GET" });
    const { json } = await world.run(cached(text));
    assert.equal(json.cache.status, "hit");
    assert.equal(json.output.content, "Summary 1.");
  });

  test("a token that was refused is not used for a write", async () => {
    // A write of the test before may still be on its way.
    await world.settle();
    await world.store.reset();
    world.store.front.fail(faults.wrongToken);
    await world.run(cached(uniqueText()));
    await after(WRITE_WAIT_MS);
    assert.deepEqual(world.store.front.commandNames(), ["GET"]);
  });

  test("a redirect is not followed: the token stays with the Redis it is for", async () => {
    const visitors = [];
    const elsewhere = http.createServer((request, response) => {
      visitors.push(request.headers);
      response.end('{"result":null}');
    });
    const port = await listen(elsewhere);
    try {
      world.store.front.fail(faults.redirect(`http://127.0.0.1:${port}/`));
      assertExecuted(world, await world.run(cached(uniqueText())), "redis-error");
      assert.deepEqual(visitors, []);
    } finally {
      await shut(elsewhere);
    }
  });
});

withWorld("the default deadline of a lookup", { store: "redis" }, (world) => {
  test("is half a second", async () => {
    world.store.front.fail(faults.hang, { only: "GET" });
    const answer = await world.run(cached(uniqueText()));
    assertExecuted(world, answer, "redis-timeout");
    assert.ok(answer.elapsed > 450 && answer.elapsed < 500 + SLACK_MS, `${answer.elapsed} ms`);
  });

  test("lets a Redis on another continent answer", async () => {
    const text = uniqueText();
    await world.run(cached(text));
    await world.stored(keyOf(text));
    world.store.front.fail(faults.slow(250));
    assert.equal((await world.run(cached(text))).json.cache.status, "hit");
  });
});

const writing = { CACHE_WRITE_TIMEOUT_MS: "2000", CACHE_MAX_VALUE_BYTES: "4000" };

withWorld("a write", { store: "redis", env: writing }, (world) => {
  test("comes after the response, which a slow one does not delay", async () => {
    const text = uniqueText();
    world.store.front.fail(faults.slow(1_500), { only: "SETEX" });
    const { status, elapsed } = await world.run(cached(text));
    assert.equal(status, 200);
    assert.ok(elapsed < 1_000, `${elapsed} ms`);
    assert.equal(await world.store.get(keyOf(text)), null);
    await world.stored(keyOf(text));
  });

  const outcomes = {
    refused: faults.commandError,
    "read-only": faults.readOnlyToken,
    busy: faults.tooManyRequests,
    unreachable: faults.reset,
    "timed-out": faults.hang,
  };
  for (const [outcome, fault] of Object.entries(outcomes)) {
    test(`that fails costs the entry, and the log says ${outcome}`, async () => {
      const text = uniqueText();
      world.store.front.fail(fault, { only: "SETEX" });
      const first = await world.run(cached(text));
      assert.equal(first.headers["cache-status"].split("; ")[2], "detail=store-scheduled");
      assert.equal((await world.loggedRun(first.json.run_id)).write, outcome);
      await world.store.reset();
      assert.equal(await world.store.get(keyOf(text)), null);
      assert.equal((await world.run(cached(text))).json.cache.status, "miss");
    });
  }

  test("that landed although nobody heard of it is a hit", async () => {
    const text = uniqueText();
    world.store.front.fail(faults.resetMidReply, { only: "SETEX" });
    const first = await world.run(cached(text));
    assert.equal((await world.loggedRun(first.json.run_id)).write, "unreachable");
    await world.store.reset();
    assert.equal((await world.run(cached(text))).json.cache.status, "hit");
  });

  test("over CACHE_MAX_VALUE_BYTES is not sent, and the log says too-large", async () => {
    const text = uniqueText();
    world.upstream.behave(behaviours.answer("x".repeat(3000)));
    const { json } = await world.run(cached(text));
    assert.equal((await world.loggedRun(json.run_id)).write, "too-large");
    assert.ok(!world.store.front.commandNames().includes("SETEX"));
  });

  test("is not-admissible in the log where the output is not to be stored", async () => {
    const zero = await world.run(cached(uniqueText(), { namespace: "my-app", ttl: 0 }));
    const line = await world.loggedRun(zero.json.run_id);
    assert.deepEqual([line.reason, line.write], ["ttl-zero", "not-admissible"]);
    assert.deepEqual(world.store.front.commandNames(), ["GET"]);
  });
});
