/** The main job: the first run executes and stores, the second is answered from the store. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { behaviours } from "../support/upstream.mjs";
import { base64, cached, keyOf, overAllStores, uniqueText } from "../support/world.mjs";

/** What Python Dynamiq computes and stores for this run; recorded from the real library. */
const DYNAMIQ = {
  key:
    "my-app:summarizer:fe63cf9369e847eaac71392cbe7f78a0e9cab4dc2f21e96af4ce478e3ac7bb1b:" +
    "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
  value: "eyJjb250ZW50IjogIkEgc2hvcnQgc3VtbWFyeS4ifQ==",
};
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const sha256 = (text) => createHash("sha256").update(text).digest("hex");

overAllStores("a node that is run twice", {}, (world) => {
  test("executes once: a MISS, then a HIT with the same output and no upstream call", async () => {
    const text = uniqueText();
    const first = await world.run(cached(text));
    assert.equal(first.status, 200);
    assert.equal(first.json.cache.status, "miss");
    assert.equal(first.json.is_output_from_cache, false);
    assert.equal(world.upstream.calls.length, 1);
    await world.stored(keyOf(text));

    const second = await world.run(cached(text));
    assert.equal(second.status, 200);
    assert.equal(second.json.cache.status, "hit");
    assert.equal(second.json.is_output_from_cache, true);
    assert.deepEqual(second.json.output, first.json.output);
    assert.equal(world.upstream.calls.length, 1);
    assert.notEqual(second.json.run_id, first.json.run_id);
  });

  // More than the random bytes last for that are asked for at a time.
  test("has another id each time", async () => {
    const text = uniqueText();
    const ids = new Set();
    for (let run = 0; run < 150; run += 1) ids.add((await world.run(cached(text))).json.run_id);
    assert.equal(ids.size, 150);
    for (const id of ids) assert.match(id, UUID);
  });

  test("answers with a RunnableResult and nothing else", async () => {
    const text = uniqueText();
    const { json, headers } = await world.run(cached(text));
    assert.match(headers["content-type"], /^application\/json\b/);
    assert.match(json.run_id, UUID);
    assert.deepEqual(json, {
      status: "success",
      input: { text },
      output: { content: "Summary 1." },
      error: null,
      is_output_from_cache: false,
      run_id: json.run_id,
      cache: { status: "miss", key: keyOf(text), reason: null },
    });
  });

  test("stores Dynamiq's value under Dynamiq's key", async () => {
    world.upstream.behave(behaviours.answer("A short summary."));
    const { json } = await world.run(cached("hello"));
    assert.equal(json.cache.key, DYNAMIQ.key);
    assert.equal(await world.stored(DYNAMIQ.key), DYNAMIQ.value);
  });

  test("serves what Python stored", async () => {
    const text = uniqueText();
    await world.store.set(keyOf(text), base64('{"content": "From Python \\u00fc."}'));
    const { json } = await world.run(cached(text));
    assert.equal(json.cache.status, "hit");
    assert.deepEqual(json.output, { content: "From Python ü." });
    assert.equal(world.upstream.calls.length, 0);
  });

  test("spells outputs as Python does: escapes outside ASCII, and gives them back", async () => {
    const text = uniqueText();
    const content = 'Zürich, 漢字, 😀, "quoted" \\ \n / \u007f';
    world.upstream.behave(behaviours.answer(content));
    await world.run(cached(text));
    const stored = Buffer.from(await world.stored(keyOf(text)), "base64").toString("latin1");
    assert.equal(
      stored,
      '{"content": "Z\\u00fcrich, \\u6f22\\u5b57, \\ud83d\\ude00, ' +
        '\\"quoted\\" \\\\ \\n / \\u007f"}',
    );
    assert.deepEqual((await world.run(cached(text))).json.output, { content });
  });

  test("gives the entry the lifetime that was asked for", async () => {
    const text = uniqueText();
    await world.run(cached(text, { namespace: "my-app", ttl: 90 }));
    await world.stored(keyOf(text));
    const left = await world.store.pttl(keyOf(text));
    assert.ok(left > 80_000 && left <= 90_000, `${left} ms left`);
  });

  test("stores for ever when the ttl is null", async () => {
    const text = uniqueText();
    await world.run(cached(text, { namespace: "my-app", ttl: null }));
    await world.stored(keyOf(text));
    assert.equal(await world.store.pttl(keyOf(text)), -1);
  });

  test("executes again once the entry has expired", async () => {
    const text = uniqueText();
    const body = cached(text, { namespace: "my-app", ttl: 1 });
    await world.run(body);
    await world.stored(keyOf(text));
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    assert.equal((await world.run(body)).json.cache.status, "miss");
    assert.equal(world.upstream.calls.length, 2);
  });

  test("hits whatever the order of the input's members", async () => {
    const text = uniqueText();
    const body = (input) => `{"input":${input},"config":{"cache":{"namespace":"my-app"}}}`;
    const first = await world.run(body(`{"text":"${text}","a":{"y":1,"x":2}}`));
    await world.stored(first.json.cache.key);
    const second = await world.run(body(`{ "a": {"x": 2, "y": 1}, "text": "${text}" }`));
    assert.equal(second.json.cache.status, "hit");
    assert.equal(second.json.cache.key, first.json.cache.key);
  });

  test("keeps numbers as they were written, in the key and in the echoed input", async () => {
    const text = uniqueText();
    const numbers = '"big":123456789012345678901234567890,"float":1.0';
    const { text: answer, json } = await world.run(
      `{"input":{"text":"${text}",${numbers}},"config":{"cache":{"namespace":"my-app"}}}`,
    );
    const hashed = `{"big": 123456789012345678901234567890, "float": 1.0, "text": "${text}"}`;
    assert.equal(json.cache.key.split(":")[2], sha256(hashed));
    assert.ok(answer.includes("123456789012345678901234567890"), answer);
  });

  test("takes the last of duplicate names, as Python does", async () => {
    const text = uniqueText();
    const { json } = await world.run(
      `{"input":{"text":"other","text":"${text}"},"config":{"cache":{"namespace":"my-app"}}}`,
    );
    assert.equal(json.cache.key, keyOf(text));
    assert.match(JSON.parse(world.upstream.calls[0].text).messages[0].content, new RegExp(text));
  });

  test("hashes kwargs into the second half of the key, and misses when they differ", async () => {
    const text = uniqueText();
    await world.run(cached(text));
    await world.stored(keyOf(text));
    const { json } = await world.run({ ...cached(text), kwargs: { style: "dry" } });
    assert.equal(json.cache.status, "miss");
    const [, , input, kwargs] = json.cache.key.split(":");
    assert.equal(input, keyOf(text).split(":")[2]);
    assert.equal(kwargs, sha256('{"style": "dry"}'));
  });

  test("leaves the kwargs that name a run out of the key", async () => {
    const text = uniqueText();
    const kwargs = { run_id: "1", parent_run_id: "2", wf_run_id: "3", executor: 4, config: {} };
    const { json } = await world.run({ ...cached(text), kwargs });
    assert.equal(json.cache.key, keyOf(text));
  });

  test("keeps namespaces apart", async () => {
    const text = uniqueText();
    const inNamespace = (namespace) =>
      world.run(cached(text, { namespace, ttl: 60 }), { key: world.keys.everyone });
    await inNamespace("one");
    await world.stored(keyOf(text, "one"));
    assert.equal((await inNamespace("two")).json.cache.status, "miss");
    assert.equal((await inNamespace("one")).json.cache.status, "hit");
    const { json } = await inNamespace(null);
    assert.equal(json.cache.key, keyOf(text).slice("my-app:".length));
    assert.equal(json.cache.status, "miss");
  });

  test("may be many runs at once, equal ones and different ones, none disturbing another", async () => {
    const [same, ...others] = Array.from({ length: 12 }, uniqueText);
    const texts = [same, same, same, same, ...others];
    const answers = await Promise.all(texts.map((text) => world.run(cached(text))));
    for (const [place, { status, json }] of answers.entries()) {
      assert.equal(status, 200);
      assert.equal(json.input.text, texts[place]);
    }
    await Promise.all(texts.map((text) => world.stored(keyOf(text))));
    const again = await Promise.all(texts.map((text) => world.run(cached(text))));
    assert.deepEqual(new Set(again.map(({ json }) => json.cache.status)), new Set(["hit"]));
  });

  test("may be long and not ASCII alone, also many at once, and each answer is whole", async () => {
    const texts = Array.from(
      { length: 8 },
      () => `${uniqueText()} ${"Grüße, 世界 👋 ".repeat(3_000)}`,
    );
    const answers = await Promise.all(texts.map((text) => world.run(cached(text))));
    for (const [place, { status, json }] of answers.entries()) {
      assert.equal(status, 200);
      assert.equal(json.input.text, texts[place]);
    }
  });
});
