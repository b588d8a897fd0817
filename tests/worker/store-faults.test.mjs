/** The cache never breaks a run: whatever Redis does, the node executes and the reason is named. */
import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { listen, shut } from "../support/http.mjs";
import { faults } from "../support/upstash-front.mjs";
import { cached, keyOf, uniqueText, withWorld } from "../support/world.mjs";

const DEADLINE_MS = 200;
/** What a run may take on top of the deadline on a busy machine. */
/** A write would have come by then. */
const WRITE_WAIT_MS = 400;
const SLACK_MS = 800;

const tick = () => new Promise((resolve) => setTimeout(resolve, 5));

function assertExecuted(world, answer, reason) {
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

const settings = { CACHE_LOOKUP_TIMEOUT_MS: String(DEADLINE_MS), CACHE_WRITE_TIMEOUT_MS: "300" };

withWorld("a lookup that fails", { store: "redis", env: settings }, (world) => {
  const cases = {
    "a wrong token": [faults.wrongToken, "redis-unauthorized"],
    "a 500 with HTML": [faults.htmlError, "redis-error"],
    "a 429": [faults.tooManyRequests, "redis-error"],
    "an error of Redis": [faults.commandError, "redis-error"],
    garbage: [faults.garbage, "redis-bad-reply"],
    "JSON that is no reply": [faults.noResult, "redis-bad-reply"],
    "a result of another type": [faults.resultOfWrongType, "redis-bad-reply"],
    "a connection that breaks off": [faults.reset, "redis-unreachable"],
  };
  for (const [name, [fault, reason]] of Object.entries(cases)) {
    test(`executes and says ${reason}: ${name}`, async () => {
      world.store.front.fail(fault);
      assertExecuted(world, await world.run(cached(uniqueText())), reason);
    });
  }

  test("executes and says redis-unreachable: nothing listens", async () => {
    await world.store.front.refuse();
    assertExecuted(world, await world.run(cached(uniqueText())), "redis-unreachable");
  });

  for (const [name, fault] of [
    ["no answer", faults.hang],
    ["headers and no body", faults.hangInBody],
    ["an answer after the deadline", faults.slow(DEADLINE_MS * 2)],
  ]) {
    test(`executes after the deadline and says redis-timeout: ${name}`, async () => {
      world.store.front.fail(fault, { only: "GET" });
      const answer = await world.run(cached(uniqueText()));
      assertExecuted(world, answer, "redis-timeout");
      assert.ok(answer.elapsed >= DEADLINE_MS * 0.9, `${answer.elapsed} ms`);
      assert.ok(answer.elapsed < DEADLINE_MS + SLACK_MS, `${answer.elapsed} ms`);
    });
  }

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

  test("once Redis is well again, runs are stored and hit", async () => {
    world.store.front.fail(faults.hang);
    const text = uniqueText();
    await world.run(cached(text));
    await world.store.reset();
    await world.run(cached(text));
    await world.stored(keyOf(text));
    assert.equal((await world.run(cached(text))).json.cache.status, "hit");
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

withWorld("a write", { store: "redis" }, (world) => {
  test("comes after the response, which a slow one does not delay", async () => {
    const text = uniqueText();
    world.store.front.fail(faults.slow(1_500), { only: "SETEX" });
    const { status, elapsed } = await world.run(cached(text));
    assert.equal(status, 200);
    assert.ok(elapsed < 1_000, `${elapsed} ms`);
    assert.equal(await world.store.get(keyOf(text)), null);
    await world.stored(keyOf(text));
  });

  for (const [name, fault] of Object.entries({
    "is refused": faults.commandError,
    "gets garbage for an answer": faults.garbage,
    "breaks off": faults.reset,
  })) {
    test(`that ${name} costs the entry and nothing else`, async () => {
      const text = uniqueText();
      world.store.front.fail(fault, { only: "SETEX" });
      assert.equal((await world.run(cached(text))).status, 200);
      const isWrite = ([name, key]) => name === "SETEX" && key === keyOf(text);
      while (!world.store.front.journal.some(({ commands }) => commands.some(isWrite)))
        await tick();
      await world.store.reset();
      await world.settle();
      assert.equal(await world.store.get(keyOf(text)), null);
      assert.equal((await world.run(cached(text))).json.cache.status, "miss");
    });
  }
});
