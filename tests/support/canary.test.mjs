/** The canary must be able to sing: each way a secret can leave is tried and has to be found. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Recorder, secret } from "./canary.mjs";
import { whyNoRedis } from "./redis.mjs";
import { World } from "./world.mjs";

const main = fileURLToPath(new URL("fixtures/leaky-worker.mjs", import.meta.url));

describe("the recorder", () => {
  const key = secret("some-key");
  const leaks = {
    "as it is": `the key is ${key}.`,
    "in another case": key.toLowerCase(),
    "in hex": Buffer.from(key).toString("hex"),
    ...Object.fromEntries(
      ["", "a", "ab", "abc"].map((before) => [
        `in Base64 after ${before.length} bytes`,
        Buffer.from(before + key).toString("base64"),
      ]),
    ),
  };

  for (const [manner, text] of Object.entries(leaks)) {
    test(`finds a secret ${manner}`, () => {
      const recorder = new Recorder();
      recorder.record("somewhere", text);
      assert.throws(() => recorder.assertClean(), /a secret left the Worker in \d+ place/);
    });
  }

  test("finds a secret inside a stored value, which is Base64", () => {
    const recorder = new Recorder();
    recorder.recordStored("value", Buffer.from(`{"content": "${key}"}`).toString("base64"));
    assert.equal(recorder.finds().filter((find) => find.startsWith("value, decoded")).length, 1);
  });

  test("does not repeat the secret in its report", () => {
    const recorder = new Recorder();
    recorder.record("somewhere", `key=${key}`);
    assert.ok(!recorder.finds().join().includes(key.slice(-16)));
  });

  test("is silent about ordinary text", () => {
    const recorder = new Recorder();
    recorder.record("body", '{"content": "A canal in Ary."}');
    recorder.recordStored("value", Buffer.from('{"content": "ordinary"}').toString("base64"));
    recorder.assertClean();
  });
});

describe("a world around a Worker that leaks", { timeout: 60_000 }, () => {
  async function closing(store, leak, metrics = false) {
    const world = new World({ store, main, metrics });
    await world.start();
    await leak(world);
    return world.close();
  }

  const found = (place) => new RegExp(`a secret left the Worker.*${place}`, "s");

  test("fails when a secret stands in a response body", () =>
    assert.rejects(
      closing("embedded", (world) => world.send("/v1/body")),
      found("body"),
    ));

  test("fails when a secret stands in a response header", () =>
    assert.rejects(
      closing("embedded", (world) => world.send("/v1/header")),
      found("headers"),
    ));

  test("fails when a secret was logged by the last request before the end", () =>
    assert.rejects(
      closing("embedded", (world) => world.send("/v1/log")),
      found("log of the Worker"),
    ));

  test("fails when a secret stands in a data point", () =>
    assert.rejects(
      closing("embedded", (world) => world.send("/v1/metrics"), true),
      found("data points"),
    ));

  test("fails when a secret lies in the embedded store", () =>
    assert.rejects(
      closing("embedded", (world) => world.send("/v1/stored")),
      found("value in the store, decoded"),
    ));

  test("fails when a secret lies in Redis", { skip: whyNoRedis() }, () =>
    assert.rejects(
      closing("redis", (world) =>
        world.store.set("entry", Buffer.from(`["${world.upstream.key}"]`).toString("base64")),
      ),
      found("value in the store, decoded"),
    ),
  );

  test("fails when the Worker broke down", () =>
    assert.rejects(
      closing("embedded", (world) => world.send("/v1/throw")),
      /the Worker broke down/,
    ));

  test("passes when nothing leaked", () =>
    closing("embedded", async (world) => {
      assert.equal((await world.send("/v1/nothing")).text, "nothing to see");
    }));

  test("gives the Worker its settings and no developer's own", () =>
    closing("embedded", async (world) => {
      const { json } = await world.send("/v1/settings");
      assert.deepEqual(
        json.filter((name) => name !== "ASSETS"),
        ["EDGEMEMO_API_KEYS", "EMBEDDED", "OPENAI_API_KEY", "OPENAI_URL"],
      );
    }));
});
