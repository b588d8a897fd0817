/** The tier in the isolate's memory: what it answers, and what it must not answer any more. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { behaviours } from "../support/upstream.mjs";
import {
  base64,
  cached,
  keyOf,
  overAllStores,
  uniqueText,
  World,
  withWorld,
} from "../support/world.mjs";

/** So long that no test waits for it. */
const LONG = { CACHE_MEMORY_MB: "1", CACHE_MEMORY_TTL: "600" };
const TTL_MS = 2_000;
const SHORT = { CACHE_MEMORY_MB: "1", CACHE_MEMORY_TTL: String(TTL_MS / 1000) };

const output = (content) => base64(`{"content": ${JSON.stringify(content)}}`);
/** Where an answer came from: `miss`, `memory`, or `redis` for a hit in the store. */
const sourceOf = ({ json }) =>
  json.cache.status === "hit" ? (json.cache.reason ?? "redis") : json.cache.status;
const translate = (world, text, cache = { namespace: "my-app", ttl: 3600 }) =>
  world.run({ input: { language: "German", text }, config: { cache } }, { node: "translator" });

/** Runs that execute and leave an entry; returns the key. */
async function store(world, text, cache) {
  const { json } = await world.run(cached(text, cache));
  assert.equal(json.cache.status, "miss");
  await world.loggedRun(json.run_id);
  return json.cache.key;
}

overAllStores("an output in memory", { env: LONG }, (world) => {
  test("is served without a word to the store, and is told wherever hits are told", async () => {
    const text = uniqueText();
    const key = await store(world, text);
    // Whoever asked the store would find this.
    await world.store.set(key, output("Of somebody else."));
    if (world.store.front) world.store.front.journal.length = 0;
    const answer = await world.run({ ...cached(text), trace: true });
    assert.equal(answer.status, 200);
    assert.equal(answer.json.output.content, "Summary 1.");
    assert.equal(answer.json.is_output_from_cache, true);
    assert.deepEqual(answer.json.cache, { status: "hit", key, reason: "memory" });
    assert.equal(answer.headers["cache-status"], `edgememo; hit; detail=memory; key="${key}"`);
    assert.equal(answer.headers.age, undefined, "the values of this node do not say");
    assert.deepEqual(
      answer.json.trace.map(({ event, reason }) => [event, reason]),
      [
        ["node_start", undefined],
        ["node_end", "memory"],
      ],
    );
    const line = await world.loggedRun(answer.json.run_id);
    assert.deepEqual([line.cache, line.reason, line.write], ["hit", "memory", null]);
    assert.equal(world.upstream.calls.length, 1);
    if (world.store.front) assert.deepEqual(world.store.front.commandNames(), []);
  });

  test("comes there by a hit too", async () => {
    const text = uniqueText();
    await world.store.set(keyOf(text), output("Stored."));
    const answers = [await world.run(cached(text)), await world.run(cached(text))];
    assert.deepEqual(answers.map(sourceOf), ["redis", "memory"]);
    for (const { json } of answers) assert.equal(json.output.content, "Stored.");
    assert.equal(world.upstream.calls.length, 0);
  });

  test("has an age where the store would say one", async () => {
    const text = uniqueText();
    const { json } = await translate(world, text);
    await world.loggedRun(json.run_id);
    await after(1_100);
    const hit = await translate(world, text);
    assert.equal(sourceOf(hit), "memory");
    assert.match(hit.headers.age, /^[1-9]$/);
    assert.deepEqual(hit.json.output, json.output);
  });

  test("is that of its namespace", async () => {
    const text = uniqueText();
    await store(world, text);
    const other = cached(text, { namespace: "other", ttl: 3600 });
    assert.equal(sourceOf(await world.run(other, { key: world.keys.everyone })), "miss");
  });

  test("is none after a run with a ttl of zero", async () => {
    const text = uniqueText();
    for (const calls of [1, 2]) {
      const { json } = await world.run(cached(text, { namespace: "my-app", ttl: 0 }));
      assert.equal(json.cache.reason, "ttl-zero");
      assert.equal(world.upstream.calls.length, calls);
    }
  });

  test("is none of a run that failed", async () => {
    const text = uniqueText();
    world.upstream.behave(behaviours.fail(400, "no"));
    assert.equal((await world.run(cached(text))).status, 502);
    world.upstream.reset();
    assert.equal(sourceOf(await world.run(cached(text))), "miss");
  });
});

withWorld("the time in memory", { store: "redis", env: SHORT }, (world) => {
  test("ends, however often the output was served, and then Redis is asked again", async () => {
    const text = uniqueText();
    const key = await store(world, text);
    const { front } = world.store;
    front.journal.length = 0;
    const end = Date.now() + TTL_MS;
    let served = 0;
    while (Date.now() < end - 500) {
      assert.equal(sourceOf(await world.run(cached(text))), "memory");
      served += 1;
      await after(50);
    }
    assert.ok(served > 5, String(served));
    assert.deepEqual(front.commandNames(), []);
    await after(700);
    assert.equal(sourceOf(await world.run(cached(text))), "redis");
    // One round trip, which says for how long the entry lives.
    assert.deepEqual(
      front.journal.map(({ commands }) => commands),
      [
        [
          ["GET", key],
          ["PTTL", key],
        ],
      ],
    );
    assert.equal(sourceOf(await world.run(cached(text))), "memory");
  });

  test("begins anew with each reading, and a value that says when it ends costs one GET", async () => {
    const text = uniqueText();
    const { json } = await translate(world, text);
    await world.loggedRun(json.run_id);
    world.store.front.journal.length = 0;
    await after(TTL_MS + 100);
    for (const source of ["redis", "memory", "memory"]) {
      assert.equal(sourceOf(await translate(world, text)), source);
    }
    assert.deepEqual(world.store.front.commandNames(), ["GET"]);
  });
});

overAllStores("an entry that ends early", { env: { CACHE_MEMORY_MB: "1" } }, (world) => {
  const brief = { namespace: "my-app", ttl: 1 };

  test("is gone from memory when its ttl is over", async () => {
    const text = uniqueText();
    await store(world, text, brief);
    assert.equal(sourceOf(await world.run(cached(text, brief))), "memory");
    await after(1_100);
    assert.equal(sourceOf(await world.run(cached(text, brief))), "miss");
  });

  test("is gone likewise under a canonical key", async () => {
    const text = uniqueText();
    const { json } = await translate(world, text, brief);
    await world.loggedRun(json.run_id);
    assert.equal(sourceOf(await translate(world, text, brief)), "memory");
    await after(1_100);
    assert.equal(sourceOf(await translate(world, text, brief)), "miss");
  });
});

for (const store of ["redis", "resp"]) {
  withWorld("an entry of somebody else", { store, env: { CACHE_MEMORY_MB: "1" } }, (world) => {
    test("is gone from memory when Redis says it is over", async () => {
      const text = uniqueText();
      await world.store.client.set(keyOf(text), output("Stored."), { PX: 1_500 });
      const sources = [];
      for (let run = 0; run < 2; run += 1) sources.push(sourceOf(await world.run(cached(text))));
      assert.deepEqual(sources, ["redis", "memory"]);
      await after(1_600);
      assert.equal(sourceOf(await world.run(cached(text))), "miss");
    });
  });
}

withWorld("two Workers over one Redis", { store: "redis", env: SHORT }, (world) => {
  test("a change by one is seen by the other when its memory has had its time", async (t) => {
    const { UPSTASH_REDIS_REST_URL, UPSTASH_REDIS_REST_TOKEN } = world.store.env;
    const env = { ...SHORT, UPSTASH_REDIS_REST_URL, UPSTASH_REDIS_REST_TOKEN };
    const other = new World({ store: "embedded", env });
    await other.start();
    t.after(() => other.close());
    const text = uniqueText();
    const key = await store(world, text);
    assert.equal(sourceOf(await world.run(cached(text))), "memory");

    const deleted = Date.now();
    await world.store.client.del(key);
    other.upstream.behave(behaviours.answer("The new one."));
    await store(other, text);
    const old = await world.run(cached(text));
    assert.deepEqual([sourceOf(old), old.json.output.content], ["memory", "Summary 1."]);

    let seen;
    do {
      const { json } = await world.run(cached(text));
      seen = json.output.content;
      const late = Date.now() - deleted > TTL_MS + 100;
      assert.ok(seen === "The new one." || !late, `${seen} after ${Date.now() - deleted} ms`);
      await after(20);
    } while (seen !== "The new one.");
    t.diagnostic(`seen after ${Date.now() - deleted} ms, of ${TTL_MS}`);
    assert.equal(world.upstream.calls.length, 1, "it is the other's output");
  });
});

for (const store of ["redis", "resp"]) {
  withWorld("memory in front of a Redis that is gone", { store, env: LONG }, (world) => {
    test("answers all the same, and stores nothing there that Redis did not take", async () => {
      const [known, unknown] = [uniqueText(), uniqueText()];
      await world.store.set(keyOf(known), output("Stored."));
      assert.equal(sourceOf(await world.run(cached(known))), "redis");
      await world.store.front.refuse();
      assert.equal(sourceOf(await world.run(cached(known))), "memory");
      let reason;
      for (let run = 0; run < 20 && reason !== "redis-circuit-open"; run += 1) {
        reason = (await world.run(cached(unknown))).json.cache.reason;
      }
      assert.equal(reason, "redis-circuit-open");
      assert.equal(sourceOf(await world.run(cached(known))), "memory");
      assert.equal(sourceOf(await world.run(cached(unknown))), "miss");
    });
  });
}

for (const [name, env] of [
  ["by default", {}],
  ["with a size of zero", { CACHE_MEMORY_MB: "0", CACHE_MEMORY_TTL: "5" }],
  ["with a time of zero", { CACHE_MEMORY_MB: "1", CACHE_MEMORY_TTL: "0" }],
  ["with a time alone", { CACHE_MEMORY_TTL: "5" }],
]) {
  withWorld(`no memory ${name}`, { store: "redis", env }, (world) => {
    test("makes each hit one GET", async () => {
      const text = uniqueText();
      await store(world, text);
      world.store.front.journal.length = 0;
      for (let run = 0; run < 3; run += 1) {
        assert.equal(sourceOf(await world.run(cached(text))), "redis");
      }
      assert.deepEqual(world.store.front.commandNames(), ["GET", "GET", "GET"]);
    });
  });
}

overAllStores("more than memory holds", { env: LONG }, (world) => {
  const BYTES = 1024 * 1024;

  test("is fetched from the store again, and memory stays within its bound", async () => {
    const size = 200_000;
    world.upstream.behave(behaviours.answer("x".repeat(size)));
    const texts = Array.from({ length: 12 }, uniqueText);
    for (const text of texts) await store(world, text);
    const sources = [];
    for (const text of texts) {
      const answer = await world.run(cached(text));
      assert.equal(answer.json.output.content.length, size);
      sources.push(sourceOf(answer));
    }
    assert.equal(world.upstream.calls.length, texts.length);
    const held = sources.filter((source) => source === "memory").length;
    assert.ok(held * size <= BYTES, `${held} in memory`);
    assert.ok(sources.includes("redis"), "something had to go");
    // What was read last is there.
    assert.equal(sourceOf(await world.run(cached(texts.at(-1)))), "memory");
  });

  test("keeps nothing that is larger than all of it", async () => {
    world.upstream.behave(behaviours.answer("x".repeat(1.1 * BYTES)));
    const text = uniqueText();
    await store(world, text);
    for (let run = 0; run < 2; run += 1) {
      assert.equal(sourceOf(await world.run(cached(text))), "redis");
    }
  });
});
