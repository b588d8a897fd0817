/** A provider that fails: 502 or 504 with a failed result, nothing stored, no credential told. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { test } from "node:test";
import { assertFailure } from "../support/assertions.mjs";
import { listen, shut } from "../support/http.mjs";
import { behaviours, completion } from "../support/upstream.mjs";
import { cached, keyOf, overBothStores, uniqueText, withWorld } from "../support/world.mjs";

const error = (message) => ({ error: { message, type: "server_error", param: null, code: null } });

overBothStores("a provider that fails", {}, (world) => {
  /** One failed run; afterwards the node executes again, so nothing was stored. */
  async function assertNothingStored(text, answer) {
    assertFailure(answer, 502, "UpstreamError");
    assert.equal(world.upstream.calls.length, 1);
    assert.equal(answer.json.cache.status, "miss");
    assert.doesNotMatch(answer.headers["cache-status"], /store-scheduled/);
    world.upstream.reset();
    await world.settle();
    assert.equal(await world.store.get(keyOf(text)), null);
  }

  const bare = (message) => completion("x").choices.map((choice) => ({ ...choice, message }));
  const cases = {
    "500 with a reason": behaviours.fail(500, error("The server had an error")),
    "500 with HTML": behaviours.fail(500, "<html>oops</html>", { "content-type": "text/html" }),
    "503 without a body": behaviours.fail(503, ""),
    429: behaviours.fail(429, error("Rate limit reached"), { "retry-after": "1" }),
    400: behaviours.fail(400, error("This model does not exist")),
    "401 that repeats the key": behaviours.refuseAndEcho(),
    "200 with text that is not JSON": behaviours.body("I am sorry."),
    "200 with nothing": behaviours.body(""),
    "200 with half an object": behaviours.body('{"choices":[{"message":{"con'),
    "200 with bytes that are not UTF-8": behaviours.body(Buffer.from([0xff, 0xfe])),
    "200 with null": behaviours.body("null"),
    "200 with a list": behaviours.body("[]"),
    "200 without choices": behaviours.body(JSON.stringify({ id: "x" })),
    "200 with no choice": behaviours.body(JSON.stringify({ choices: [] })),
    "200 with a choice without message": behaviours.body(JSON.stringify({ choices: [{}] })),
    "200 with content that is a number": behaviours.body(
      JSON.stringify({ choices: bare({ content: 1 }) }),
    ),
    "200 with an error inside": behaviours.body(JSON.stringify(error("overloaded"))),
    "an answer that breaks off": behaviours.truncate(),
    "no answer but a closed connection": behaviours.reset(),
  };
  for (const [name, behaviour] of Object.entries(cases)) {
    test(`is 502 and leaves nothing in the store: ${name}`, async () => {
      const text = uniqueText();
      world.upstream.behave(behaviour);
      await assertNothingStored(text, await world.run(cached(text)));
    });
  }

  test("is told with its status and its reason", async () => {
    world.upstream.behave(behaviours.fail(429, error("Rate limit reached")));
    const { json } = await world.run(cached(uniqueText()));
    assert.match(json.error.message, /429/);
    assert.match(json.error.message, /Rate limit reached/);
  });

  test("is told without the key, however long the text around it", async () => {
    for (const padding of [0, 250, 280, 295, 5_000]) {
      const message = `${"x".repeat(padding)} Incorrect API key: ${world.upstream.key}`;
      world.upstream.behave(behaviours.fail(400, error(message)));
      const { text } = await world.run(cached(uniqueText()));
      assert.ok(!text.includes(world.upstream.key.slice(0, 12)), text);
    }
  });

  test("is told without what a provider says of a wrong key, which masks it in its own way", async () => {
    for (const status of [401, 403]) {
      world.upstream.behave(behaviours.fail(status, error("Incorrect key: sk-pr***wxyz")));
      const { json } = await world.run(cached(uniqueText()));
      assert.match(json.error.message, new RegExp(`status ${status}.*api_key`));
      assert.doesNotMatch(json.error.message, /sk-pr|wxyz/);
    }
  });

  test("does not take the cache with it: what was stored is still served", async () => {
    const text = uniqueText();
    await world.run(cached(text));
    await world.stored(keyOf(text));
    world.upstream.behave(behaviours.fail(500, ""));
    const { status, json } = await world.run(cached(text));
    assert.deepEqual([status, json.cache.status], [200, "hit"]);
  });

  test("is 502 without the cache, too", async () => {
    world.upstream.behave(behaviours.fail(500, ""));
    assertFailure(await world.run({ input: { text: "x" } }), 502, "UpstreamError");
  });
});

const TIMEOUT_MS = 700;

overBothStores(
  "a provider that hangs",
  { env: { EXECUTE_TIMEOUT_MS: String(TIMEOUT_MS) } },
  (world) => {
    for (const [name, behaviour] of Object.entries({
      "before its answer": behaviours.hang(),
      "in the middle of it": behaviours.hangInBody(),
    })) {
      test(`is 504 when the time is over, and leaves nothing in the store: ${name}`, async () => {
        const text = uniqueText();
        let hungUp;
        world.upstream.behave((call, response) => {
          hungUp = once(response, "close");
          behaviour(call, response);
        });
        const answer = await world.run(cached(text));
        assertFailure(answer, 504, "TimeoutError");
        // Or one of the request's six connections would stay taken.
        await hungUp;
        assert.match(answer.json.error.message, /700 ms/);
        assert.ok(answer.elapsed >= TIMEOUT_MS - 50, `${answer.elapsed} ms`);
        assert.ok(answer.elapsed < TIMEOUT_MS + 3_000, `${answer.elapsed} ms`);
        world.upstream.reset();
        await world.settle();
        assert.equal(await world.store.get(keyOf(text)), null);
      });
    }
  },
);

overBothStores("an answer of the provider that is out of the ordinary", {}, (world) => {
  test("of 1 MB is stored and served again", async () => {
    const text = uniqueText();
    const content = "long ".repeat(200_000);
    world.upstream.behave(behaviours.answer(content));
    assert.equal((await world.run(cached(text))).json.output.content, content);
    await world.stored(keyOf(text));
    const { json } = await world.run(cached(text));
    assert.deepEqual([json.cache.status, json.output.content], ["hit", content]);
  });

  test("of 3 MB is returned, whether the store takes it or not", async () => {
    const text = uniqueText();
    const content = "long ".repeat(600_000);
    world.upstream.behave(behaviours.answer(content));
    const answer = await world.run(cached(text));
    assert.equal(answer.status, 200);
    assert.equal(answer.json.output.content.length, content.length);
    world.upstream.reset();
    await world.settle();
    assert.equal((await world.run(cached(text))).status, 200);
  });

  test("of 20 MB is 502, not a Worker out of memory", async () => {
    world.upstream.behave(behaviours.answer("x".repeat(20_000_000)));
    assertFailure(await world.run(cached(uniqueText())), 502, "UpstreamError");
    world.upstream.reset();
    assert.equal((await world.run(cached(uniqueText()))).status, 200);
  });

  test("that is empty text is an output", async () => {
    world.upstream.behave(behaviours.answer(""));
    const { status, json } = await world.run(cached(uniqueText()));
    assert.deepEqual([status, json.output], [200, { content: "" }]);
  });
});

withWorld("a provider that redirects", { store: "embedded" }, (world) => {
  test("is not followed: its key goes to nobody else", async () => {
    const visitors = [];
    const elsewhere = http.createServer((request, response) => {
      visitors.push(request.headers);
      response.end(JSON.stringify(completion("from elsewhere")));
    });
    const port = await listen(elsewhere);
    try {
      world.upstream.behave(behaviours.redirect(`http://127.0.0.1:${port}/v1/chat/completions`));
      assertFailure(await world.run(cached(uniqueText())), 502, "UpstreamError");
      assert.deepEqual(visitors, []);
    } finally {
      await shut(elsewhere);
    }
  });
});

withWorld(
  "a provider that is not there",
  {
    store: "embedded",
    env: { OPENAI_URL: "http://127.0.0.1:1/v1" },
  },
  (world) => {
    test("is 502 with a message that says so, and nothing is stored", async () => {
      const text = uniqueText();
      const answer = await world.run(cached(text));
      assertFailure(answer, 502, "UpstreamError");
      assert.match(answer.json.error.message, /reach/);
      assert.equal(await world.store.get(keyOf(text)), null);
    });
  },
);

withWorld("a client that leaves while the provider is thinking", { store: "embedded" }, (world) => {
  test("does not harm the next one", async () => {
    world.upstream.behave(behaviours.hang());
    const leaving = new AbortController();
    const url = new URL("/v1/nodes/summarizer/run", world.worker.url);
    const gone = fetch(url, {
      method: "POST",
      headers: { "x-api-key": world.keys.team },
      body: JSON.stringify(cached(uniqueText())),
      signal: leaving.signal,
    });
    while (world.upstream.calls.length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    leaving.abort();
    await assert.rejects(gone, /abort/);
    world.upstream.reset();
    assert.equal((await world.run(cached(uniqueText()))).status, 200);
  });
});
