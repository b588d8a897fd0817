/** A provider that fails and recovers: tried again behind one lookup, as error_handling says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertFailure } from "../support/assertions.mjs";
import { behaviours } from "../support/upstream.mjs";
import { overBothStores, uniqueText } from "../support/world.mjs";

/** What workflows/translate.yaml says. */
const ATTEMPTS = 3;

const error = (message) => ({ error: { message, type: "server_error", param: null, code: null } });

overBothStores("a provider that fails and recovers", {}, (world) => {
  /** Answers the first calls with failures, and then well. */
  function failing(times, failure) {
    const answer = behaviours.answer();
    world.upstream.behave((call, response) =>
      (call.number <= times ? failure : answer)(call, response),
    );
  }

  function translate(text, more = {}) {
    const body = {
      input: { text, language: "German" },
      config: { cache: { namespace: "my-app", ttl: 60 } },
      ...more,
    };
    return world.run(body, { node: "translator" });
  }

  const failures = {
    "a status 500": behaviours.fail(500, error("oops")),
    "a closed connection": behaviours.reset(),
    "an answer that is none": behaviours.body("I am sorry."),
    "a status 429 without a wish": behaviours.fail(429, error("Rate limit reached")),
  };
  for (const [name, failure] of Object.entries(failures)) {
    test(`is asked again after ${name}, and its answer is stored`, async () => {
      const text = uniqueText();
      failing(ATTEMPTS - 1, failure);
      const first = await translate(text, { trace: true });
      assert.equal(first.status, 200);
      assert.equal(world.upstream.calls.length, ATTEMPTS);
      const failed = ["node_execute_start", "node_execute_run", "node_execute_error"];
      const done = ["start", "run", "run", "end"].map((step) => `node_execute_${step}`);
      assert.deepEqual(
        first.json.trace.map((event) => event.event),
        ["node_start", ...failed, ...failed, ...done, "node_end", "cache_write"],
      );
      await world.settle();
      const second = await translate(text);
      assert.equal(second.json.is_output_from_cache, true);
      assert.deepEqual(second.json.output, first.json.output);
    });
  }

  test("waits for as long as the provider asks to", async () => {
    failing(1, behaviours.fail(429, error("Rate limit reached"), { "retry-after": "1" }));
    const started = Date.now();
    assert.equal((await translate(uniqueText())).status, 200);
    // The node's own pause is a tenth of a second.
    assert.ok(Date.now() - started >= 1000);
  });

  test("takes the wish as a date too", async () => {
    const date = new Date(Date.now() + 2500).toUTCString();
    failing(1, behaviours.fail(503, "", { "retry-after": date }));
    const started = Date.now();
    assert.equal((await translate(uniqueText())).status, 200);
    assert.ok(Date.now() - started >= 1000);
  });

  test("fails at once when the provider asks for more than a minute", async () => {
    failing(1, behaviours.fail(429, error("Rate limit reached"), { "retry-after": "61" }));
    assertFailure(await translate(uniqueText()), 502, "UpstreamError");
    assert.equal(world.upstream.calls.length, 1);
  });

  for (const status of [400, 401, 403, 404]) {
    test(`is not asked again after a status ${status}`, async () => {
      failing(1, behaviours.fail(status, error("no")));
      assertFailure(await translate(uniqueText()), 502, "UpstreamError");
      assert.equal(world.upstream.calls.length, 1);
    });
  }

  test("fails with the last failure when no attempt succeeds, and stores nothing", async () => {
    const text = uniqueText();
    failing(ATTEMPTS, behaviours.fail(500, error("oops")));
    assertFailure(await translate(text), 502, "UpstreamError");
    assert.equal(world.upstream.calls.length, ATTEMPTS);
    await world.settle();
    const again = await translate(text);
    assert.deepEqual([again.status, again.json.is_output_from_cache], [200, false]);
  });
});
