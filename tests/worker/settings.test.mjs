/** A Worker that is not configured answers 503 and says which setting to set. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertProblem } from "../support/assertions.mjs";
import { secret } from "../support/canary.mjs";
import { cached, withWorld } from "../support/world.mjs";

/** A world whose every run is refused with the code, and whose message names the setting. */
function refuses(title, env, code, names) {
  withWorld(title, { store: "embedded", env }, (world) => {
    test(`is 503 ${code} and names ${names}`, async () => {
      for (const body of [cached("x"), { input: { text: "x" } }]) {
        const answer = await world.run(body);
        assertProblem(answer, 503, code);
        assert.ok(answer.json.detail.includes(names), answer.json.detail);
      }
      assert.equal(world.upstream.calls.length, 0);
      assert.equal(await world.store.touched(), false);
      assert.equal((await world.send("/healthz")).status, 200);
    });
  });
}

const url = "http://127.0.0.1:1";
const token = secret("half-a-setting");

refuses("no API keys", { EDGEMEMO_API_KEYS: undefined }, "api-keys-missing", "EDGEMEMO_API_KEYS");
refuses("no provider key", { OPENAI_API_KEY: undefined }, "provider-key-missing", "OPENAI_API_KEY");
refuses(
  "a base URL that is none",
  { OPENAI_URL: "api.openai.com" },
  "settings-invalid",
  "OPENAI_URL",
);
refuses(
  "credentials in a base URL",
  { OPENAI_URL: `https://user:${token}@api.openai.com` },
  "settings-invalid",
  "OPENAI_URL",
);
refuses("an empty provider key", { OPENAI_API_KEY: "" }, "provider-key-missing", "OPENAI_API_KEY");
refuses(
  "a Redis without its token",
  { UPSTASH_REDIS_REST_URL: url },
  "settings-invalid",
  "UPSTASH_REDIS_REST_TOKEN",
);
refuses(
  "a Redis token without its address",
  { UPSTASH_REDIS_REST_TOKEN: token },
  "settings-invalid",
  "UPSTASH_REDIS_REST_URL",
);
refuses(
  "a KV without its token",
  { KV_REST_API_URL: url },
  "settings-invalid",
  "KV_REST_API_TOKEN",
);
refuses(
  "a KV token without address",
  { KV_REST_API_TOKEN: token },
  "settings-invalid",
  "KV_REST_API_URL",
);
refuses(
  "an address that is none",
  { UPSTASH_REDIS_REST_URL: token, UPSTASH_REDIS_REST_TOKEN: token },
  "settings-invalid",
  "UPSTASH_REDIS_REST_URL",
);
refuses(
  "two Redises",
  { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token, REDIS_URL: "redis://127.0.0.1" },
  "settings-invalid",
  "UPSTASH_REDIS_REST_URL and REDIS_URL",
);
refuses(
  "a REDIS_URL and a REDIS_HOST that differ",
  { REDIS_URL: `redis://:${token}@127.0.0.1`, REDIS_HOST: "localhost" },
  "settings-invalid",
  "REDIS_URL and REDIS_HOST",
);
refuses("a REDIS_URL that is none", { REDIS_URL: token }, "settings-invalid", "REDIS_URL");
refuses(
  "a Redis password without a host",
  { REDIS_PASSWORD: token },
  "settings-invalid",
  "REDIS_HOST",
);
for (const name of [
  "CACHE_TTL",
  "CACHE_MAX_TTL",
  "CACHE_LOOKUP_TIMEOUT_MS",
  "CACHE_WRITE_TIMEOUT_MS",
  "CACHE_MAX_VALUE_BYTES",
  "CACHE_BREAKER_PAUSE_MS",
  "CACHE_MEMORY_MB",
  "CACHE_MEMORY_TTL",
  "MAX_BODY_BYTES",
  "MAX_SUBREQUESTS",
  "EMBEDDED_SHARD_MAX_BYTES",
]) {
  for (const value of ["ten", "-1", "1.5"]) {
    refuses(`${name}=${value}`, { [name]: value }, "settings-invalid", name);
  }
}

refuses(
  "more memory than an isolate can spare",
  { CACHE_MEMORY_MB: "65" },
  "settings-invalid",
  "CACHE_MEMORY_MB has to be at most 64",
);

withWorld(
  "KV_REST_API_URL and KV_REST_API_TOKEN",
  {
    store: "redis",
    env: ({ store }) => ({
      UPSTASH_REDIS_REST_URL: undefined,
      UPSTASH_REDIS_REST_TOKEN: undefined,
      KV_REST_API_URL: store.front.url,
      KV_REST_API_TOKEN: store.front.token,
    }),
  },
  (world) => {
    test("stand for the Upstash settings", async () => {
      const { json } = await world.run(cached("through the other names"));
      assert.equal(json.cache.reason, null);
      assert.ok(await world.stored(json.cache.key));
      assert.ok(world.store.front.commandNames().includes("SETEX"));
    });
  },
);

withWorld(
  "a keyless Worker",
  {
    store: "embedded",
    env: { EDGEMEMO_API_KEYS: undefined },
  },
  (world) => {
    test("serves nobody, whatever Host and Origin say", async () => {
      for (const headers of [{}, { host: "localhost" }, { host: "edgememo.example.workers.dev" }]) {
        assertProblem(
          await world.run(cached("x"), { key: null, headers }),
          503,
          "api-keys-missing",
        );
        assertProblem(await world.send("/v1/nodes", { headers }), 503, "api-keys-missing");
      }
      assert.equal(world.upstream.calls.length, 0);
    });
  },
);

withWorld(
  "a Worker without a provider key",
  {
    store: "embedded",
    env: { OPENAI_API_KEY: undefined },
  },
  (world) => {
    test("checks the namespace first, and still lists its nodes", async () => {
      const foreign = await world.run(cached("x", { namespace: "not-mine" }));
      assertProblem(foreign, 403, "namespace-forbidden");
      const nodes = await world.send("/v1/nodes", { headers: { "x-api-key": world.keys.team } });
      assert.equal(nodes.status, 200);
    });
  },
);
