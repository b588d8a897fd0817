/** The embedded store, as the official client of Upstash's dialect sees it. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { Redis } from "@upstash/redis";
import { secret } from "../support/canary.mjs";
import { cached, keyOf, uniqueText, World, withWorld } from "../support/world.mjs";

const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const sha256 = (text) => createHash("sha256").update(text).digest();
const shardOf = (key) => sha256(key)[0] % 16;

function clientOf(world, options = {}) {
  return new Redis({
    url: world.worker.embedded.url,
    token: world.worker.embedded.token,
    retry: false,
    enableTelemetry: false,
    automaticDeserialization: false,
    enableAutoPipelining: false,
    ...options,
  });
}

/** Keys of one shard, so that they share its limits. */
function keysOfOneShard(count, shard = 3) {
  const keys = [];
  for (let number = 0; keys.length < count; number += 1) {
    if (shardOf(`key-${number}`) === shard) keys.push(`key-${number}`);
  }
  return keys;
}

withWorld("the embedded store", { store: "embedded" }, (world) => {
  let names = 0;
  function fresh() {
    names += 1;
    return `fresh-${names}`;
  }

  test("sets, gets and deletes, whatever the text", async () => {
    const client = clientOf(world);
    for (const value of ["plain", "", 'ü 漢 😀 "quoted" \\ \n \u0000 end', "0", "null", "OK"]) {
      const key = `${fresh()} ü:"*`;
      assert.equal(await client.set(key, value), "OK");
      assert.equal(await client.get(key), value);
      assert.equal(await client.del(key), 1);
      assert.equal(await client.get(key), null);
      assert.equal(await client.del(key), 0);
    }
  });

  test("serves the official client with its default settings, which ask for Base64", async () => {
    const { url, token } = world.worker.embedded;
    const client = new Redis({ url, token });
    const [key, other, counter] = [fresh(), fresh(), fresh()];
    const value = { text: 'ü 漢 😀 "quoted"', list: ["OK", 1, null] };
    assert.equal(await client.set(key, value), "OK");
    assert.deepEqual(await client.get(key), value);
    assert.equal(await client.set(other, "OK"), "OK");
    assert.deepEqual(await client.mget(key, "nothing", other), [value, null, "OK"]);
    assert.equal(await client.incrby(counter, 41), 41);
    assert.deepEqual(
      await Promise.all([client.incrby(counter, 1), client.get(counter), client.ping()]),
      [42, 42, "PONG"],
    );
    await assert.rejects(client.incrby(key, 1), /ERR value is not an integer/);
    assert.equal(await client.del(key, other, counter, "nothing"), 3);
  });

  test("lists keys over all shards, whichever way the answers are encoded", async () => {
    const keys = Array.from({ length: 40 }, () => `listed:${fresh()}`);
    const writes = clientOf(world).pipeline();
    for (const key of keys) writes.set(key, "v");
    await writes.exec();
    for (const responseEncoding of ["base64", false]) {
      const client = clientOf(world, { responseEncoding });
      const found = [];
      let cursor = "0";
      do {
        const [next, page] = await client.scan(cursor, { match: "listed:*", count: 2 });
        assert.match(next, /^\d+$/);
        found.push(...page);
        cursor = next;
      } while (cursor !== "0");
      assert.deepEqual(found.sort(), keys.toSorted());
    }
  });

  test("keeps what belongs to an entry in its shard", async () => {
    const [key] = keysOfOneShard(1, 9);
    const lease = `edgememo:${sha256(key).toString("hex")}:lease`;
    await clientOf(world).set(lease, "token");
    const { url, token } = world.worker.embedded;
    const headers = { authorization: `Bearer ${token}` };
    const ask = (shard) =>
      fetch(`${url}shards/${shard}/`, {
        method: "POST",
        headers,
        body: JSON.stringify(["GET", lease]),
      });
    assert.deepEqual(await (await ask(9)).json(), { result: "token" });
    assert.deepEqual(await (await ask(8)).json(), { result: null });
  });

  test("answers PING", async () => {
    assert.equal(await clientOf(world).ping(), "PONG");
  });

  test("tells lifetimes: -2 without key, -1 without expiry, else milliseconds", async () => {
    const client = clientOf(world);
    const key = fresh();
    assert.equal(await client.pttl(key), -2);
    await client.set(key, "x");
    assert.equal(await client.pttl(key), -1);
    await client.setex(key, 100, "y");
    const left = await client.pttl(key);
    assert.ok(left > 95_000 && left <= 100_000, String(left));
    await client.set(key, "z", { ex: 10 });
    assert.ok((await client.pttl(key)) <= 10_000);
    await client.set(key, "z", { px: 1_500 });
    assert.ok((await client.pttl(key)) <= 1_500);
  });

  test("forgets a lifetime when a plain SET overwrites, as Redis does", async () => {
    const client = clientOf(world);
    const key = fresh();
    await client.setex(key, 100, "x");
    await client.set(key, "y");
    assert.equal(await client.pttl(key), -1);
  });

  test("forgets an entry when its time is up, and lets NX take its place", async () => {
    const client = clientOf(world);
    const [short, taken] = [fresh(), fresh()];
    await client.set(short, "x", { px: 300 });
    await client.setex(taken, 1, "x");
    assert.equal(await client.set(taken, "y", { nx: true }), null);
    await after(1_100);
    assert.equal(await client.get(short), null);
    assert.equal(await client.pttl(short), -2);
    assert.equal(await client.del(short), 0);
    assert.equal(await client.set(taken, "y", { nx: true, px: 5_000 }), "OK");
    assert.equal(await client.get(taken), "y");
  });

  test("keeps the first of two with NX, and of several at once exactly one", async () => {
    const client = clientOf(world);
    const key = fresh();
    const values = ["a", "b", "c", "d", "e"];
    const replies = await Promise.all(values.map((value) => client.set(key, value, { nx: true })));
    assert.equal(replies.filter((reply) => reply === "OK").length, 1);
    assert.equal(await client.get(key), values[replies.indexOf("OK")]);
    assert.equal(await client.set(key, "late", { nx: true, ex: 9 }), null);
    assert.equal(await client.pttl(key), -1);
  });

  test("answers a pipeline in order, over as many shards as its keys need", async () => {
    const client = clientOf(world);
    const keys = Array.from({ length: 40 }, fresh);
    assert.ok(new Set(keys.map(shardOf)).size > 5);
    const writes = client.pipeline();
    for (const key of keys) writes.setex(key, 60, `value of ${key}`);
    assert.deepEqual(new Set(await writes.exec()), new Set(["OK"]));
    const reads = client.pipeline();
    for (const key of keys) reads.get(key);
    assert.deepEqual(
      await reads.exec(),
      keys.map((key) => `value of ${key}`),
    );
  });

  test("runs the commands of a pipeline one after the other", async () => {
    const key = fresh();
    const replies = await clientOf(world)
      .pipeline()
      .get(key)
      .set(key, "1")
      .get(key)
      .del(key)
      .get(key)
      .exec();
    assert.deepEqual(replies, [null, "OK", "1", 1, null]);
  });

  test("refuses what it does not know or cannot read, by name, and goes on", async () => {
    const refused = async (command, reason) => {
      const response = await fetch(world.worker.embedded.url, {
        method: "POST",
        headers: { authorization: `Bearer ${world.worker.embedded.token}` },
        body: JSON.stringify(command),
      });
      const { error } = await response.json();
      assert.equal(response.status, 400, JSON.stringify(command));
      assert.match(error, reason, JSON.stringify(command));
    };
    await refused(["FLUSHALL"], /^ERR/);
    await refused(["GET"], /^ERR wrong number of arguments/);
    await refused(["SET", "k"], /^ERR wrong number of arguments/);
    await refused(["SET", "k", "v", "EX"], /^ERR/);
    await refused(["SET", "k", "v", "EX", "soon"], /^ERR/);
    await refused(["SETEX", "k", "0", "v"], /^ERR/);
    await refused(["SETEX", "k", "-1", "v"], /^ERR/);
    await refused(["SETEX", "k", "9".repeat(30), "v"], /^ERR/);
    await refused(["SET", "k", "v", "NOPE"], /^ERR/);
    assert.equal(await clientOf(world).get("k"), null);
  });

  test("takes names of commands in any case", async () => {
    const response = await fetch(world.worker.embedded.url, {
      method: "POST",
      headers: { authorization: `Bearer ${world.worker.embedded.token}` },
      body: '["pInG"]',
    });
    assert.deepEqual(await response.json(), { result: "PONG" });
  });

  test("takes 1.8 MB, and refuses more than 1.9 MB by name, without losing what was there", async () => {
    const client = clientOf(world);
    const key = fresh();
    const large = "x".repeat(1_800_000);
    await client.set(key, large);
    await assert.rejects(client.set(key, "x".repeat(1_900_001)), /ERR value too large/);
    await assert.rejects(client.setex(key, 60, "ü".repeat(1_000_000)), /ERR value too large/);
    assert.equal(await client.get(key), large);
  });

  test("is reached through its binding only: no path of the Worker leads to it", async () => {
    for (const target of ["/", "/pipeline", "/v1/pipeline", "/v1/"]) {
      const answer = await world.send(target, {
        method: "POST",
        headers: { "x-api-key": world.keys.team },
        body: '["PING"]',
      });
      assert.doesNotMatch(answer.text, /PONG/);
      assert.ok(answer.status >= 400, target);
    }
  });

  test("lets nobody through the test service without its token", async () => {
    await assert.rejects(clientOf(world, { token: secret("wrong") }).get("k"), /WRONGPASS/);
  });
});

const SHARD_BYTES = 10_000;

withWorld(
  "a shard that is full",
  {
    store: "embedded",
    env: { EMBEDDED_SHARD_MAX_BYTES: String(SHARD_BYTES) },
  },
  (world) => {
    const value = "x".repeat(3_000);

    test("drops its oldest entries first, and no entry of another shard", async () => {
      const client = clientOf(world);
      const keys = keysOfOneShard(5);
      const [elsewhere] = keysOfOneShard(1, 4);
      await client.set(elsewhere, value);
      for (const key of keys) {
        await client.set(key, value);
        await after(5);
      }
      const kept = [];
      for (const key of keys) if ((await client.get(key)) !== null) kept.push(key);
      assert.deepEqual(kept, keys.slice(-3), "as many of the newest as fit");
      assert.equal(await client.get(elsewhere), value);
    });

    test("never holds more than its cap, however small the entries", async () => {
      const client = clientOf(world);
      const keys = keysOfOneShard(200, 5);
      const writes = client.pipeline();
      for (const key of keys) writes.set(key, "y".repeat(100));
      await writes.exec();
      const reads = client.pipeline();
      for (const key of keys) reads.get(key);
      const kept = (await reads.exec()).filter((found) => found !== null);
      assert.ok(kept.length > 0 && kept.length * 100 <= SHARD_BYTES, `${kept.length} kept`);
    });
  },
);

describe("the sweep of the embedded store", { timeout: 60_000 }, () => {
  test("removes rows that have expired from the disk, and no others", async () => {
    const env = { EMBEDDED_SWEEP_INTERVAL_MS: "300" };
    const world = new World({ store: "embedded", env });
    await world.start();
    const client = clientOf(world);
    const [expired, later, forever] = keysOfOneShard(3, 7);
    // The alarm for a row that lives long is brought forward for one that does not.
    await client.set(later, "v", { ex: 600 });
    await client.set(forever, "v");
    await after(1_000);
    await client.set(expired, "v", { px: 50 });
    await after(1_500);
    // Past the store's own reading, which hides what has expired: what the files hold.
    await world.worker.close();
    const keys = (await world.store.dump()).filter(([column]) => column === "entries.key");
    const held = new Set(keys.map(([, key]) => String(key)));
    await world.close();
    assert.deepEqual(
      [expired, later, forever].map((key) => held.has(key)),
      [false, true, true],
    );
  });
});

describe("a restart of the Worker", { timeout: 60_000 }, () => {
  test("keeps the embedded store: what was stored before is a HIT after", async (t) => {
    const persist = await mkdtemp(path.join(tmpdir(), "edgememo-"));
    t.after(() => rm(persist, { recursive: true, force: true }));
    const text = uniqueText();

    const before = new World({ store: "embedded", persist });
    await before.start();
    await before.run(cached(text));
    await before.stored(keyOf(text));
    await before.close();

    const later = new World({ store: "embedded", persist });
    await later.start();
    // The second world has its own keys and its own upstream.
    const { json } = await later.run(cached(text));
    const calls = later.upstream.calls.length;
    const left = await later.store.pttl(keyOf(text));
    await later.close();
    assert.equal(json.cache.status, "hit");
    assert.equal(calls, 0);
    assert.ok(left > 3_500_000 && left <= 3_600_000, String(left));
  });
});
