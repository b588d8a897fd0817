/** Who may call: API keys with their namespaces, closed unless configured. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertProblem } from "../support/assertions.mjs";
import { secret } from "../support/canary.mjs";
import { apiKey, cached, RUN, uniqueText, withWorld } from "../support/world.mjs";

withWorld("a caller", { store: "embedded" }, (world) => {
  const run = (headers, cache = { namespace: "my-app", ttl: 60 }) =>
    world.run(cached(uniqueText(), cache), { key: null, headers });

  const ways = {
    "Authorization: Bearer": (key) => ({ authorization: `Bearer ${key}` }),
    "the scheme in another case": (key) => ({ authorization: `bearer ${key}` }),
    "x-api-key": (key) => ({ "x-api-key": key }),
    "x-edgememo-api-key": (key) => ({ "x-edgememo-api-key": key }),
  };
  for (const [name, headers] of Object.entries(ways)) {
    test(`may send the key as ${name}`, async () => {
      assert.equal((await run(headers(world.keys.team))).status, 200);
    });

    test(`is refused with a wrong key sent as ${name}`, async () => {
      const answer = await run(headers(secret("wrong-key")));
      assertProblem(answer, 401, "unauthenticated");
      assert.match(answer.headers["www-authenticate"], /^Bearer\b/);
      assert.equal(world.upstream.calls.length, 0);
    });
  }

  test("passes a credential of its own through when the key is in x-edgememo-api-key", async () => {
    const authorization = `Bearer ${secret("callers-own")}`;
    const headers = { authorization, "x-edgememo-api-key": world.keys.team };
    assert.equal((await run(headers)).status, 200);
    assert.equal(world.upstream.calls[0].headers.authorization, `Bearer ${world.upstream.key}`);
  });

  test("without a key is 401 on every path of /v1, with a message that says what to send", async () => {
    for (const answer of [await run({}), await world.send("/v1/nodes")]) {
      assertProblem(answer, 401, "unauthenticated");
      assert.match(answer.headers["www-authenticate"], /^Bearer\b/);
      assert.match(answer.json.detail, /x-edgememo-api-key/);
    }
  });

  for (const [name, headers] of Object.entries({
    "an empty key": { authorization: "Bearer " },
    "another scheme": { authorization: "Basic dGVhbTp4" },
    "the hash instead of the key": {
      "x-api-key": apiKey("team", world.keys.team, []).sha256,
    },
    "the key in another case": { "x-api-key": world.keys.team.toUpperCase() },
    "the key with something after it": { "x-api-key": `${world.keys.team}x` },
    "two keys in one header": { "x-api-key": `${world.keys.team}, ${world.keys.team}` },
  })) {
    test(`is refused with ${name}`, async () => {
      assertProblem(await run(headers), 401, "unauthenticated");
    });
  }

  test("is not let in by a key in the query", async () => {
    const answer = await world.send(`${RUN}?key=${encodeURIComponent(world.keys.team)}`, {
      method: "POST",
      body: JSON.stringify(cached("x")),
    });
    assertProblem(answer, 401, "unauthenticated");
  });

  for (const [name, namespace] of Object.entries({
    "another namespace": "not-mine",
    "a namespace that starts alike": "my-app2",
    "a namespace that reaches into the key": "my-app:summarizer",
    "another case": "My-App",
    "the star itself": "*",
    "an empty namespace": "",
    "no namespace": null,
  })) {
    test(`whose key covers my-app gets 403 for ${name}`, async () => {
      const answer = await run({ "x-api-key": world.keys.team }, { namespace, ttl: 60 });
      assertProblem(answer, 403, "namespace-forbidden");
      assert.equal(world.upstream.calls.length, 0);
    });
  }

  test("whose key covers my-app gets 403 for a namespace left out", async () => {
    assertProblem(await run({ "x-api-key": world.keys.team }, {}), 403, "namespace-forbidden");
  });

  test("whose key covers * may use any namespace, and none", async () => {
    for (const namespace of ["not-mine", "", null]) {
      const answer = await run({ "x-api-key": world.keys.everyone }, { namespace, ttl: 60 });
      assert.equal(answer.status, 200, String(namespace));
    }
  });

  test("needs no namespace to run without the cache", async () => {
    const { status } = await world.run({ input: { text: "x" } });
    assert.equal(status, 200);
  });
});

const bare = secret("bare-key");

withWorld(
  "a key that covers nothing",
  {
    store: "embedded",
    env: { EDGEMEMO_API_KEYS: JSON.stringify([apiKey("none", bare, [])]) },
  },
  (world) => {
    test("runs nodes and may not use the cache", async () => {
      assert.equal((await world.run({ input: { text: "x" } }, { key: bare })).status, 200);
      for (const namespace of ["my-app", "*", null]) {
        const answer = await world.run(cached("x", { namespace }), { key: bare });
        assertProblem(answer, 403, "namespace-forbidden");
      }
    });
  },
);

withWorld(
  "the admin flag of a key",
  {
    store: "embedded",
    env: {
      EDGEMEMO_API_KEYS: JSON.stringify([
        apiKey("with", `${bare}-admin`, ["my-app"], true),
        { ...apiKey("without", bare, ["my-app"]), admin: undefined },
      ]),
    },
  },
  (world) => {
    test("may be given and left out, and opens no namespace", async () => {
      for (const key of [bare, `${bare}-admin`]) {
        assert.equal((await world.run(cached(uniqueText()), { key })).status, 200);
        const foreign = await world.run(cached("x", { namespace: "not-mine" }), { key });
        assertProblem(foreign, 403, "namespace-forbidden");
      }
    });
  },
);

const key = secret("unlisted-key");
const { sha256 } = apiKey("a", key, ["*"]);
const unusable = {
  "not JSON": `[{"id":"a","sha256":"${sha256}"`,
  "an object": JSON.stringify(apiKey("a", key, ["*"])),
  "a key in the clear": JSON.stringify([{ id: "a", sha256: key, namespaces: ["*"] }]),
  "a hash that is too short": JSON.stringify([
    { id: "a", sha256: sha256.slice(2), namespaces: ["*"] },
  ]),
  "a hash with a sign": JSON.stringify([
    { id: "a", sha256: `+${sha256.slice(1)}`, namespaces: ["*"] },
  ]),
  "no hash": JSON.stringify([{ id: "a", namespaces: ["*"] }]),
  "no namespaces": JSON.stringify([{ id: "a", sha256 }]),
  "namespaces that are no list": JSON.stringify([{ id: "a", sha256, namespaces: "*" }]),
  "an empty list": "[]",
};
for (const [name, EDGEMEMO_API_KEYS] of Object.entries(unusable)) {
  withWorld(
    `EDGEMEMO_API_KEYS with ${name}`,
    { store: "embedded", env: { EDGEMEMO_API_KEYS } },
    (world) => {
      test("closes the Worker: 503 that names the setting and does not quote it", async () => {
        for (const presented of [key, world.keys.team, null]) {
          const answer = await world.run(cached("x"), { key: presented });
          assertProblem(answer, 503, "api-keys-invalid");
          assert.match(answer.json.detail, /EDGEMEMO_API_KEYS/);
          assert.ok(!answer.text.includes(sha256.slice(4, 40)));
        }
        assert.equal(world.upstream.calls.length, 0);
        assert.equal((await world.send("/healthz")).status, 200);
      });
    },
  );
}
