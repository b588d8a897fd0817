/** Two switches: without `config.cache` the store is not contacted at all. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { cached, keyOf, overAllStores, uniqueText, withWorld } from "../support/world.mjs";

overAllStores("a run without config.cache", {}, (world) => {
  const text = uniqueText();
  const bodies = {
    "no config": { input: { text } },
    "config null": { input: { text }, config: null },
    "an empty config": { input: { text }, config: {} },
    "config.cache null": { input: { text }, config: { cache: null } },
  };

  for (const [name, body] of Object.entries(bodies)) {
    test(`executes every time and never opens a connection to the store: ${name}`, async () => {
      for (const calls of [1, 2]) {
        const { status, json, headers } = await world.run(body);
        assert.equal(status, 200);
        assert.deepEqual(json.cache, { status: "bypass", key: null, reason: "no-cache-config" });
        assert.equal(headers["cache-status"], "edgememo; fwd=bypass; detail=no-cache-config");
        assert.doesNotMatch(headers["server-timing"], /cache/);
        assert.equal(world.upstream.calls.length, calls);
      }
      assert.equal(await world.store.touched(), false);
    });
  }

  test("is told from a run with it, which does contact the store", async () => {
    await world.run(cached(text));
    assert.equal(await world.store.touched(), true);
  });
});

overAllStores("a ttl of zero", {}, (world) => {
  test("looks up, stores nothing and says so", async () => {
    const text = uniqueText();
    const body = cached(text, { namespace: "my-app", ttl: 0 });
    const { status, json, headers } = await world.run(body);
    assert.equal(status, 200);
    assert.equal(json.cache.reason, "ttl-zero");
    assert.match(headers["cache-status"], /^edgememo; fwd=miss; detail=ttl-zero; key="/);
    await world.settle();
    assert.equal(await world.store.get(keyOf(text)), null);
  });
});

const defaults = { CACHE_NAMESPACE: "my-app", CACHE_TTL: "120", CACHE_MAX_TTL: "600" };

overAllStores("the Worker's cache settings", { env: defaults }, (world) => {
  async function lifetimeOf(cache) {
    const text = uniqueText();
    const { json } = await world.run(cached(text, cache));
    assert.equal(json.cache.key, keyOf(text));
    await world.stored(keyOf(text));
    return Math.ceil((await world.store.pttl(keyOf(text))) / 10_000) * 10;
  }

  test("an empty config.cache takes namespace and ttl from them", async () => {
    assert.equal(await lifetimeOf({}), 120);
  });

  test("a shorter ttl is the request's own", async () => {
    assert.equal(await lifetimeOf({ ttl: 60 }), 60);
  });

  test("a longer ttl and an endless one are cut to the maximum", async () => {
    assert.equal(await lifetimeOf({ ttl: 3600 }), 600);
    assert.equal(await lifetimeOf({ ttl: null }), 600);
  });

  test("a request may name the backend that it is", async () => {
    assert.equal(await lifetimeOf({ backend: "Redis", namespace: "my-app" }), 120);
  });
});

withWorld("the commands that reach Redis", { store: "redis", workflows: "tests" }, (world) => {
  const requests = () => world.store.front.journal.map(({ commands }) => commands);
  const commands = () => requests().flat();
  const hash = (text) => createHash("sha256").update(text).digest("hex");

  test("a miss is one GET, and one SETEX with key, ttl and value", async () => {
    const { json } = await world.run(cached(uniqueText()), { node: "alone" });
    const { key } = json.cache;
    const value = await world.stored(key);
    assert.deepEqual(requests(), [[["get", key]], [["SETEX", key, "3600", value]]]);
  });

  test("a miss that shares its execution takes a lease, and gives it back with the write", async () => {
    const { json } = await world.run(cached(uniqueText()), { node: "together" });
    const { key } = json.cache;
    const value = await world.stored(key);
    const [lookup, claim, write] = requests();
    const [lease, failure] = ["lease", "failure"].map((what) => `edgememo:${hash(key)}:${what}`);
    const token = claim[0][2];
    assert.match(token, /^[0-9a-f]{26}$/);
    assert.deepEqual(lookup, [["get", key]]);
    assert.deepEqual(claim, [
      ["SET", lease, token, "PX", "10000", "NX"],
      ["MGET", key, failure],
    ]);
    const [, script, ...args] = write[1];
    assert.deepEqual(write[0], ["SETEX", key, "3600", value]);
    assert.match(script, /GET.*DEL/);
    assert.deepEqual(args, ["1", lease, token]);
    assert.equal(requests().length, 3);
    // Another run has another token.
    const another = await world.run(cached(uniqueText()), { node: "together" });
    await world.stored(another.json.cache.key);
    assert.notEqual(requests()[4][0][2], token);
  });

  test("without a ttl the write is a SET", async () => {
    const given = cached(uniqueText(), { namespace: "my-app", ttl: null });
    const { json } = await world.run(given, { node: "alone" });
    const value = await world.stored(json.cache.key);
    assert.deepEqual(commands()[1], ["SET", json.cache.key, value]);
  });

  test("a hit is exactly one GET, and leaves the lifetime alone", async () => {
    const given = cached(uniqueText());
    const run = () => world.run(given, { node: "together" });
    const { key } = (await run()).json.cache;
    await world.stored(key);
    await world.store.client.pExpire(key, 50_000);
    await world.store.reset();
    assert.equal((await run()).json.cache.status, "hit");
    assert.ok((await world.store.pttl(key)) <= 50_000);
    // What would follow the response has come by then.
    const { json } = await world.run(cached(uniqueText()), { node: "alone" });
    await world.stored(json.cache.key);
    assert.deepEqual(requests()[0], [["get", key]]);
    assert.equal(requests().length, 3);
  });

  test("a lookup is in the URL, and no HTTP cache may answer it", async () => {
    const { json } = await world.run(cached(uniqueText()), { node: "alone" });
    const [{ method, path, headers, text }] = world.store.front.journal;
    assert.deepEqual([method, path, text], ["GET", `/get/${json.cache.key}`, ""]);
    assert.equal(headers["cache-control"], "no-cache");
    await world.stored(json.cache.key);
  });

  test("Redis gets its token in the Authorization header and nowhere else", async () => {
    const { json } = await world.run(cached(uniqueText()), { node: "together" });
    await world.stored(json.cache.key);
    const { journal, token } = world.store.front;
    assert.deepEqual(
      journal.map(({ method }) => method),
      ["GET", "POST", "POST"],
    );
    for (const { path, headers, text } of journal) {
      const { authorization, ...others } = headers;
      assert.equal(authorization, `Bearer ${token}`);
      assert.doesNotMatch(JSON.stringify([path, others, text]), /CANARY/);
    }
  });
});
