/** Whatever lies at a key: rubbish is a miss with a name and is replaced, any output is a hit. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { faults } from "../support/upstash-front.mjs";
import { base64, cached, keyOf, overAllStores, uniqueText, withWorld } from "../support/world.mjs";

overAllStores("a stored value that does not decode", {}, (world) => {
  const cases = {
    "text that is not Base64": ["%%% not Base64 %%%", "not-base64"],
    "Base64 that was cut off": [base64('{"content": "x"}').slice(0, -3), "not-base64"],
    "bytes that are not UTF-8": [
      Buffer.from([0x22, 0xff, 0xfe, 0x22]).toString("base64"),
      "not-utf8",
    ],
    "an unfinished object": [base64('{"content": "x"'), "not-json"],
    "nothing at all": ["", "not-json"],
    "NaN, which JSON over HTTP cannot hold": [base64('{"content": NaN}'), "not-json"],
    "text after the value": [base64('{"content": "x"} y'), "not-json"],
    null: [base64("null"), "null-value"],
  };

  for (const [name, [value, reason]] of Object.entries(cases)) {
    test(`is a miss that says ${reason}, and the next run hits: ${name}`, async () => {
      const text = uniqueText();
      await world.store.set(keyOf(text), value);
      const first = await world.run(cached(text));
      assert.equal(first.status, 200);
      assert.deepEqual(first.json.cache, { status: "miss", key: keyOf(text), reason });
      assert.equal(
        first.headers["cache-status"],
        `edgememo; fwd=miss; detail=${reason}; key="${keyOf(text)}"`,
      );
      assert.equal(world.upstream.calls.length, 1);

      await world.settle();
      const second = await world.run(cached(text));
      assert.equal(second.json.cache.status, "hit");
      assert.deepEqual(second.json.output, first.json.output);
    });
  }

  for (const output of ["{}", "[]", "0", "false", '""', '{"content": null}']) {
    test(`${output} is an output, and a hit`, async () => {
      const text = uniqueText();
      await world.store.set(keyOf(text), base64(output));
      const { json } = await world.run(cached(text));
      assert.equal(json.cache.status, "hit");
      assert.deepEqual(json.output, JSON.parse(output));
    });
  }
});

for (const store of ["redis", "resp"]) {
  withWorld("a key that holds bytes which are no text", { store }, (world) => {
    test("is a miss that says not-utf8, and the next run hits", async () => {
      const text = uniqueText();
      await world.store.client.sendCommand(["SET", keyOf(text), Buffer.from([0x22, 0xff, 0xc3])]);
      const first = await world.run(cached(text));
      assert.equal(first.json.cache.reason, "not-utf8");
      await world.settle();
      assert.equal((await world.run(cached(text))).json.cache.status, "hit");
    });
  });
}

for (const node of ["summarizer", "translator"]) {
  const name = `a Redis that takes no commands in URLs, and the ${node}`;
  withWorld(name, { store: "redis" }, (world) => {
    test("is asked once more by the first lookup, and in bodies after it", async () => {
      const { client, front } = world.store;
      front.fail(faults.noUrls);
      const run = async (text) => {
        const request = { ...cached(text), input: { text, language: "German" } };
        return (await world.run(request, { node })).json.cache;
      };
      const lookups = () =>
        front.journal
          .filter(({ commands }) => commands[0][0].toUpperCase() === "GET")
          .map(({ method }) => method);
      const text = uniqueText();
      const { key, reason } = await run(text);
      assert.equal(reason, null);
      await world.stored(key);
      assert.equal((await run(text)).status, "hit");
      assert.deepEqual(lookups(), ["GET", "POST", "POST"]);
      // There, too, what is no text is told apart.
      await client.sendCommand(["SET", key, Buffer.from([0xff])]);
      assert.equal((await run(text)).reason, "not-utf8");
      assert.deepEqual(lookups(), ["GET", "POST", "POST", "POST"]);
    });
  });
}

withWorld(
  "a key with other characters than those that a URL may hold",
  { store: "redis" },
  (world) => {
    test("is looked up in a body, and others beside it in URLs", async () => {
      const { journal } = world.store.front;
      for (const [namespace, method] of [
        ["a/b c", "POST"],
        ["ünï", "POST"],
        ["a.b-c", "GET"],
      ]) {
        const request = cached(uniqueText(), { namespace, ttl: 60 });
        journal.length = 0;
        const options = { key: world.keys.everyone };
        await world.run(request, options);
        await world.settle();
        assert.equal(journal[0].method, method, namespace);
        const { json } = await world.run(request, options);
        assert.equal(json.cache.status, "hit", namespace);
      }
    });
  },
);

withWorld("a key that holds something else than a string", { store: "redis" }, (world) => {
  test("is a miss that says wrong-type, and what lies there stays", async () => {
    const text = uniqueText();
    await world.store.client.lPush(keyOf(text), "somebody's list");
    for (const calls of [1, 2]) {
      const { status, json, headers } = await world.run(cached(text));
      assert.equal(status, 200);
      assert.equal(json.cache.reason, "wrong-type");
      assert.match(headers["cache-status"], /; detail=wrong-type;/);
      assert.equal(world.upstream.calls.length, calls);
      await world.settle();
      world.upstream.calls.length = calls;
    }
    assert.equal(await world.store.client.lIndex(keyOf(text), 0), "somebody's list");
  });
});
