/** A body with a wrong field is 422: a failed run whose message names the field. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertFailure } from "../support/assertions.mjs";
import { secret } from "../support/canary.mjs";
import { cached, keyOf, overBothStores, uniqueText } from "../support/world.mjs";

overBothStores("a field that is wrong", {}, (world) => {
  async function assertRefused(body, field) {
    const answer = await world.run(body);
    assertFailure(answer, 422, "ValidationError");
    assert.ok(answer.json.error.message.includes(field), answer.json.error.message);
    assert.equal(world.upstream.calls.length, 0);
    assert.equal(await world.store.touched(), false);
  }

  const withCache = (cache) => ({ input: { text: "x" }, config: { cache } });

  for (const body of ["[]", "null", "1", '"text"', "true"]) {
    test(`the body has to be an object: ${body}`, () => assertRefused(body, "object"));
  }

  for (const [name, body] of Object.entries({
    missing: {},
    null: { input: null },
    "a list": { input: [] },
    "a string": { input: "text" },
    "a number": { input: 1 },
  })) {
    test(`input has to be an object: ${name}`, () => assertRefused(body, "input"));
  }

  test("a variable of the prompt that is missing is named", () =>
    assertRefused({ input: { other: "x" } }, "text"));

  // The values are secrets, so that a message which repeats one is found by the canary.
  for (const field of ["host", "port", "db", "username", "password", "url", "token"]) {
    test(`a request brings no connection: config.cache.${field}`, async () => {
      await assertRefused(
        withCache({ namespace: "my-app", [field]: secret(field) }),
        `config.cache.${field}`,
      );
      await assertRefused(withCache({ [field]: null }), `config.cache.${field}`);
    });
  }

  for (const backend of ["Memory", "redis", "", null, 1]) {
    test(`no backend other than Redis: ${JSON.stringify(backend)}`, () =>
      assertRefused(withCache({ backend }), "config.cache.backend"));
  }

  for (const ttl of [
    "-1",
    "1.5",
    "1.0",
    "1e3",
    '"60"',
    "true",
    "[]",
    "{}",
    "1e400",
    "9".repeat(40),
  ]) {
    test(`ttl has to be a whole number of seconds: ${ttl}`, () =>
      assertRefused(
        `{"input":{"text":"x"},"config":{"cache":{"ttl":${ttl}}}}`,
        "config.cache.ttl",
      ));
  }

  for (const namespace of [1, true, [], {}]) {
    test(`namespace has to be a string or null: ${JSON.stringify(namespace)}`, () =>
      assertRefused(withCache({ namespace }), "config.cache.namespace"));
  }

  for (const [field, body] of Object.entries({
    cache: { input: { text: "x" }, cache: {} },
    "config.caching": { input: { text: "x" }, config: { caching: {} } },
    "config.cache.name_space": withCache({ name_space: "x" }),
    "config.cache.TTL": withCache({ TTL: 1 }),
  })) {
    test(`an unknown field is named: ${field}`, () => assertRefused(body, field));
  }

  for (const [field, body] of Object.entries({
    config: { input: { text: "x" }, config: [] },
    "config.cache": withCache(true),
    kwargs: { input: { text: "x" }, kwargs: [] },
    trace: { input: { text: "x" }, trace: "yes" },
  })) {
    test(`${field} has to be of its type`, () => assertRefused(body, field));
  }

  for (const name of ["self", "entity_id", "input_data"]) {
    test(`kwargs that are reserved are refused, cached or not: ${name}`, async () => {
      const kwargs = { [name]: "x" };
      await assertRefused({ ...withCache({ namespace: "my-app" }), kwargs }, name);
      await assertRefused({ input: { text: "x" }, kwargs }, name);
    });
  }

  test("kwargs that would change the call are refused, not passed over", () =>
    assertRefused({ input: { text: "x" }, kwargs: { tools: [] } }, "kwargs.tools"));

  test("a failed run says what it was given, and is not stored", async () => {
    const answer = await world.run({ ...cached("x"), input: { other: "ü" } });
    assertFailure(answer, 422, "ValidationError");
    assert.deepEqual(answer.json.input, { other: "ü" });
    assert.equal(answer.json.cache.key, null);
  });

  test("the largest ttl that fits is accepted", async () => {
    const text = uniqueText();
    const answer = await world.run(cached(text, { namespace: "my-app", ttl: 100 * 365 * 86_400 }));
    assert.equal(answer.status, 200);
    await world.stored(keyOf(text));
  });
});
