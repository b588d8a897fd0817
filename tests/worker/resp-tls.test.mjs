/** RESP over TLS, with certificates that are made for these tests. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeCertificate, trusted, whyNoCertificate } from "../support/certificate.mjs";
import { cached, keyOf, uniqueText, withWorld } from "../support/world.mjs";

if (whyNoCertificate) {
  test("RESP over TLS", { skip: whyNoCertificate });
} else {
  withWorld("rediss://", { store: "resp", certificate: trusted }, (world) => {
    test("encrypts, and stores and hits as usual", async () => {
      assert.match(world.store.front.url, /^rediss:/);
      const text = uniqueText();
      assert.equal((await world.run(cached(text))).json.cache.reason, null);
      await world.stored(keyOf(text));
      assert.equal((await world.run(cached(text))).json.cache.status, "hit");
    });
  });

  const inParts = ({ store: { front, password } }) => ({
    REDIS_URL: undefined,
    REDIS_HOST: "127.0.0.1",
    REDIS_PORT: front.port,
    REDIS_PASSWORD: password,
    REDIS_TLS: "true",
  });
  withWorld("REDIS_TLS", { store: "resp", certificate: trusted, env: inParts }, (world) => {
    test("asks for the same", async () => {
      const text = uniqueText();
      assert.equal((await world.run(cached(text))).json.cache.reason, null);
      await world.stored(keyOf(text));
    });
  });

  withWorld(
    "a certificate of a stranger",
    { store: "resp", certificate: makeCertificate() },
    (world) => {
      test("gets no password: redis-unreachable, and the run goes on", async () => {
        const { status, json } = await world.run(cached(uniqueText()));
        assert.deepEqual([status, json.cache.reason], [200, "redis-unreachable"]);
        assert.deepEqual(world.store.front.commandNames(), []);
        assert.ok(world.store.front.connections > 0);
      });
    },
  );

  const inTheClear = ({ store: { front } }) => ({
    REDIS_URL: front.url.replace("rediss", "redis"),
  });
  withWorld(
    "redis:// at a port for TLS",
    { store: "resp", certificate: trusted, env: inTheClear },
    (world) => {
      test("is told from a Redis: the run goes on", async () => {
        const { status, json } = await world.run(cached(uniqueText()));
        assert.equal(status, 200);
        assert.match(json.cache.reason, /^redis-(unreachable|bad-reply)$/);
      });
    },
  );
}
