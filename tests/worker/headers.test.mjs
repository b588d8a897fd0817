/** What a run says of itself: response headers, the trace, and the request to the provider. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { cached, keyOf, overBothStores, uniqueText } from "../support/world.mjs";

overBothStores("the headers of a run", {}, (world) => {
  test("Cache-Status tells a miss whose write is scheduled, then a hit, with the key", async () => {
    const text = uniqueText();
    const miss = await world.run(cached(text));
    assert.equal(
      miss.headers["cache-status"],
      `edgememo; fwd=miss; detail=store-scheduled; key="${keyOf(text)}"`,
    );
    await world.stored(keyOf(text));
    const hit = await world.run(cached(text));
    assert.equal(hit.headers["cache-status"], `edgememo; hit; key="${keyOf(text)}"`);
  });

  test("Cache-Status cannot be broken by what stands in a namespace", async () => {
    const namespace = 'a"; hit; key="ü\\%\r\n';
    const { headers, json } = await world.run(cached(uniqueText(), { namespace, ttl: 60 }), {
      key: world.keys.everyone,
    });
    assert.equal(json.cache.key.slice(0, namespace.length), namespace);
    const quoted = /^edgememo; fwd=miss; detail=store-scheduled; key="([^"]*)"$/.exec(
      headers["cache-status"],
    );
    assert.ok(quoted, headers["cache-status"]);
    assert.equal(decodeURIComponent(quoted[1]), json.cache.key);
  });

  test("Server-Timing names lookup and execution, of a hit the lookup only", async () => {
    const text = uniqueText();
    const miss = await world.run(cached(text));
    assert.match(miss.headers["server-timing"], /^cache;dur=\d+(\.\d+)?, execute;dur=\d+(\.\d+)?$/);
    await world.stored(keyOf(text));
    const hit = await world.run(cached(text));
    assert.match(hit.headers["server-timing"], /^cache;dur=\d+(\.\d+)?$/);
  });

  test("no browser and no proxy may keep an answer of /v1", async () => {
    const answers = [
      await world.run(cached(uniqueText())),
      await world.run("{"),
      await world.run(cached(uniqueText()), { key: null }),
      await world.send("/v1/nowhere"),
      await world.send("/v1/nodes", { headers: { "x-api-key": world.keys.team } }),
    ];
    for (const { status, headers } of answers) {
      assert.equal(headers["cache-control"], "private, no-store", `status ${status}`);
    }
  });

  test("an answer has its own headers, whatever was answered before it", async () => {
    const [one, other] = [uniqueText(), uniqueText()];
    for (const text of [one, other]) {
      await world.run(cached(text));
      await world.stored(keyOf(text));
    }
    const hit = (text) => `edgememo; hit; key="${keyOf(text)}"`;
    const json = { "content-type": "application/json" };
    const problem = { "content-type": "application/problem+json" };
    const uncached = { input: { text: one } };
    const get = { headers: { "x-api-key": world.keys.team } };
    const kinds = [
      [() => world.run(cached(one)), { ...json, "cache-status": hit(one) }],
      [() => world.run(cached(other)), { ...json, "cache-status": hit(other) }],
      [
        () => world.run(uncached),
        { ...json, "cache-status": "edgememo; fwd=bypass; detail=no-cache-config" },
      ],
      [() => world.run(uncached, { key: null }), { ...problem, "www-authenticate": "Bearer" }],
      [() => world.send("/v1/nodes/summarizer/run", get), { ...problem, allow: "POST" }],
      [() => world.send("/v1/nodes", get), json],
    ];
    const names = new Set(kinds.flatMap(([, expected]) => Object.keys(expected)));
    for (const [before] of kinds) {
      for (const [ask, expected] of kinds) {
        await before();
        const { headers } = await ask();
        const own = Object.entries(headers).filter(([name]) => names.has(name));
        assert.deepEqual(Object.fromEntries(own), expected);
        const isTimed = "cache-status" in expected;
        assert.equal("server-timing" in headers, isTimed, JSON.stringify(expected));
      }
    }
  });

  test("a trace comes on request, and of a hit it holds no execution", async () => {
    const text = uniqueText();
    const body = { ...cached(text), trace: true };
    const names = ({ json }) => JSON.stringify(json.trace);
    const miss = await world.run(body);
    assert.match(names(miss), /node_start.*node_execute_start.*node_execute_end.*node_end/);
    await world.stored(keyOf(text));
    const hit = await world.run(body);
    assert.match(names(hit), /node_start.*node_end/);
    assert.doesNotMatch(names(hit), /execute/);
    assert.ok(!("trace" in (await world.run(cached(text))).json));
  });

  test("the provider gets the prompt, its own key, and nothing of the caller", async () => {
    const text = uniqueText();
    await world.run(cached(text));
    const [call] = world.upstream.calls;
    assert.equal(call.path, "/v1/chat/completions");
    assert.equal(call.headers.authorization, `Bearer ${world.upstream.key}`);
    const { model, messages } = JSON.parse(call.text);
    assert.equal(model, "gpt-4o-mini");
    assert.deepEqual(messages, [{ role: "user", content: `Summarize in one sentence: ${text}` }]);
    const { authorization: _own, ...others } = call.headers;
    assert.doesNotMatch(JSON.stringify([others, call.text]), /CANARY/);
  });

  test("the log tells what became of the run and of the write, and none of their contents", async () => {
    const text = uniqueText();
    const { json } = await world.run(cached(text));
    await world.stored(keyOf(text));
    const lines = () => world.recorder.texts("log of the Worker");
    const ofThisRun = () => lines().find((entry) => entry.includes(json.run_id));
    while (!ofThisRun()) await new Promise((resolve) => setTimeout(resolve, 5));
    const line = ofThisRun();
    assert.match(line, /"cache":"miss"/);
    assert.match(line, /"write":"stored"/);
    assert.doesNotMatch(lines().join("\n"), new RegExp(`${text}|${json.output.content}`));
  });
});
