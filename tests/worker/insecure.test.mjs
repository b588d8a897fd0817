/** EDGEMEMO_INSECURE: without keys, for this machine and its own page only. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertProblem } from "../support/assertions.mjs";
import { secret } from "../support/canary.mjs";
import { cached, keyOf, RUN, uniqueText, withWorld } from "../support/world.mjs";

const insecure = (value) => ({ EDGEMEMO_API_KEYS: undefined, EDGEMEMO_INSECURE: value });

withWorld("insecure mode", { store: "embedded", env: insecure("true") }, (world) => {
  const run = (headers, text = uniqueText()) => world.run(cached(text), { key: null, headers });

  test("serves loopback without a key", async () => {
    assert.equal((await run({})).status, 200);
    const nodes = await world.send("/v1/nodes");
    assert.equal(nodes.status, 200);
  });

  for (const host of [
    "localhost",
    "localhost:8787",
    "app.localhost:8787",
    "127.0.0.1",
    "127.1.2.3:8080",
    "[::1]:8787",
  ]) {
    test(`serves the Host ${host}, and its own Origin`, async () => {
      assert.equal((await run({ host })).status, 200);
      assert.equal((await run({ host, origin: `http://${host}` })).status, 200);
    });
  }

  for (const host of [
    "evil.example",
    "evil.example:8787",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "notlocalhost",
    "10.0.0.1",
    "192.168.1.1:8787",
    "0.0.0.0:8787",
    "[::2]:8787",
    "[::ffff:10.0.0.1]",
  ]) {
    test(`refuses the Host ${host}, which a page elsewhere can choose`, async () => {
      for (const headers of [{ host }, { host, origin: `http://${host}` }]) {
        assertProblem(await run(headers), 403, "insecure-host-forbidden");
      }
      assertProblem(
        await world.send("/v1/nodes", { headers: { host } }),
        403,
        "insecure-host-forbidden",
      );
      assert.equal(world.upstream.calls.length, 0);
    });
  }

  const host = "localhost:8787";
  for (const origin of [
    "https://evil.example",
    "http://localhost:8788",
    "http://localhost",
    "https://localhost:8787",
    "http://127.0.0.1:8787",
    "http://localhost:8787.evil.example",
    "null",
  ]) {
    test(`refuses the Origin "${origin}" at the Host ${host}`, async () => {
      assertProblem(await run({ host, origin }), 403, "insecure-origin-forbidden");
      assert.equal(world.upstream.calls.length, 0);
    });
  }

  test("does not tell the cache key in Cache-Status, since nobody showed who they are", async () => {
    const text = uniqueText();
    const miss = await run({}, text);
    assert.equal(miss.headers["cache-status"], "edgememo; fwd=miss; detail=store-scheduled");
    await world.stored(keyOf(text));
    assert.equal((await run({}, text)).headers["cache-status"], "edgememo; hit");
  });

  test("allows every namespace", async () => {
    const { status } = await world.run(cached(uniqueText(), { namespace: null }), { key: null });
    assert.equal(status, 200);
  });

  test("has no preflight, so that no other page can send JSON", async () => {
    const headers = { origin: "https://evil.example", "access-control-request-method": "POST" };
    const answer = await world.send(RUN, { method: "OPTIONS", headers });
    assert.equal(answer.status, 405);
    assert.equal(answer.headers["access-control-allow-origin"], undefined);
  });
});

for (const value of ["false", "", "0", "no"]) {
  withWorld(`EDGEMEMO_INSECURE=${value}`, { store: "embedded", env: insecure(value) }, (world) => {
    test("is not insecure mode: without keys nobody is served", async () => {
      const { status, json } = await world.run(cached("x"), { key: null });
      assert.equal(status, 503);
      assert.ok(["api-keys-missing", "settings-invalid"].includes(json.code), json.code);
      assert.equal(world.upstream.calls.length, 0);
    });
  });
}

withWorld(
  "insecure mode beside keys",
  { store: "embedded", env: { EDGEMEMO_INSECURE: "true" } },
  (world) => {
    test("still refuses a wrong key and a foreign namespace", async () => {
      assertProblem(
        await world.run(cached("x"), { key: secret("wrong-key") }),
        401,
        "unauthenticated",
      );
      const foreign = await world.run(cached("x", { namespace: "not-mine" }));
      assertProblem(foreign, 403, "namespace-forbidden");
    });

    test("refuses a foreign Host without a key", async () => {
      const answer = await world.run(cached("x"), { key: null, headers: { host: "evil.example" } });
      assertProblem(answer, 403, "insecure-host-forbidden");
    });
  },
);
