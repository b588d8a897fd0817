/** A node with canonical keys: one key for one meaning, another for another definition. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { assertFailure } from "../support/assertions.mjs";
import { behaviours } from "../support/upstream.mjs";
import { base64, overBothStores, uniqueText, World, withWorld } from "../support/world.mjs";

const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const CACHE = { namespace: "my-app", ttl: 3600 };

/** The canonical text of a value whose names are ASCII and whose numbers are doubles. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`).join(",")}}`;
}

/** What workflows/translate.yaml asks of a provider: a change of it changes every key. */
const definition = (url) => ({
  type: "dynamiq.nodes.llms.OpenAI",
  url,
  request: {
    model: "gpt-4o-mini",
    messages: [{ role: "user", content: "Translate into {{ language }}: {{ text }}" }],
  },
});

function keyOf(world, input, { namespace = "my-app", kwargs = {} } = {}) {
  const asked = canonical({ definition: definition(world.upstream.url), kwargs });
  return `${namespace}:translator:${sha256(canonical(input))}:${sha256(asked)}:v1`;
}

/** Runs the translator; the input may be a JSON text of the test's own spelling. */
function translate(world, input, { cache = CACHE, kwargs, ...options } = {}) {
  const text = typeof input === "string" ? input : JSON.stringify(input);
  const rest = JSON.stringify({ kwargs: kwargs ?? {}, config: { cache } }).slice(1);
  return world.run(`{"input":${text},${rest}`, { node: "translator", ...options });
}

const hello = () => ({ language: "German", text: uniqueText() });

/** An envelope around the text of an output, with other members than the usual where given. */
function envelope(body, more = {}) {
  const frame = JSON.stringify({ v: 1, stored_at: Date.now(), fresh_until: null, ...more });
  return `${frame.slice(0, -1)},"body":${body}}`;
}

overBothStores("a node with canonical keys", {}, (world) => {
  test("executes once for one meaning, whoever spelled it; a hit says how old it is", async () => {
    const text = uniqueText();
    const spellings = [
      `{"text":"${text}","language":"Zürich German","n":[{"b":1.50,"a":1e2,"c":"/"}]}`,
      `{ "n" : [ {"c":"\\/", "a":100, "b":15E-1} ], "language":"Z\\u00fcrich \\u0047erman", "text":"${text}" }`,
    ];
    const input = JSON.parse(spellings[0]);
    const miss = await translate(world, spellings[0]);
    assert.equal(miss.status, 200);
    assert.deepEqual(miss.json.cache, { status: "miss", key: keyOf(world, input), reason: null });
    assert.equal(
      miss.headers["cache-status"],
      `edgememo; fwd=miss; detail=store-scheduled; key="${keyOf(world, input)}"`,
    );
    assert.equal(miss.headers.age, undefined);
    await world.stored(keyOf(world, input));

    const hit = await translate(world, spellings[1]);
    assert.equal(hit.status, 200);
    assert.deepEqual(hit.json.cache, { status: "hit", key: keyOf(world, input), reason: null });
    assert.equal(hit.headers["cache-status"], `edgememo; hit; key="${keyOf(world, input)}"`);
    assert.match(hit.headers.age, /^[0-9]$/);
    assert.deepEqual(hit.json.output, miss.json.output);
    assert.ok(hit.text.includes('"b":15E-1'), "the input is echoed as it came");
    assert.equal(world.upstream.calls.length, 1);
    const [{ content }] = JSON.parse(world.upstream.calls[0].text).messages;
    assert.equal(content, `Translate into Zürich German: ${text}`);
  });

  test("misses where the meaning differs", async () => {
    const input = hello();
    await translate(world, input);
    await world.stored(keyOf(world, input));
    for (const other of [
      { ...input, language: "French" },
      { ...input, tone: null },
    ]) {
      const { json } = await translate(world, other);
      assert.deepEqual([json.cache.status, json.cache.key], ["miss", keyOf(world, other)]);
    }
    const kwargs = { style: "dry" };
    const { json } = await translate(world, input, { kwargs });
    assert.equal(json.cache.status, "miss");
    assert.equal(json.cache.key, keyOf(world, input, { kwargs }));
    const named = await translate(world, input, { kwargs: { run_id: "1" } });
    assert.equal(named.json.cache.status, "hit", "what names a run is no part of the key");
  });

  test("stores an envelope that says when, and until when", async () => {
    const input = hello();
    const began = Date.now();
    await translate(world, input, { cache: { namespace: "my-app", ttl: 90 } });
    const stored = await world.stored(keyOf(world, input));
    const { stored_at, fresh_until } = JSON.parse(stored);
    assert.equal(
      stored,
      `{"v":1,"stored_at":${stored_at},"fresh_until":${stored_at + 90_000},"body":{"content": "Summary 1."}}`,
    );
    assert.equal(fresh_until, stored_at + 90_000);
    assert.ok(Math.abs(stored_at - began) < 10_000, `${stored_at}, which began at ${began}`);
    const left = await world.store.pttl(keyOf(world, input));
    assert.ok(left > 80_000 && left <= 90_000, `${left} ms left`);
  });

  test("stores for ever when the ttl is null", async () => {
    const input = hello();
    await translate(world, input, { cache: { namespace: "my-app", ttl: null } });
    const stored = await world.stored(keyOf(world, input));
    assert.equal(JSON.parse(stored).fresh_until, null);
    assert.equal(await world.store.pttl(keyOf(world, input)), -1);
  });

  test("executes again once the entry has expired", async () => {
    const input = hello();
    const cache = { namespace: "my-app", ttl: 1 };
    await translate(world, input, { cache });
    await world.stored(keyOf(world, input));
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    assert.equal((await translate(world, input, { cache })).json.cache.status, "miss");
    assert.equal(world.upstream.calls.length, 2);
  });

  test("percent-encodes what would look like another part of the key", async () => {
    const input = hello();
    const cache = { namespace: "a:b%é c", ttl: 60 };
    const key = keyOf(world, input, { namespace: "a%3Ab%25%C3%A9%20c" });
    const options = { cache, key: world.keys.everyone };
    const miss = await translate(world, input, options);
    assert.equal(miss.json.cache.key, key);
    const [, quoted] = /key="([^"]*)"$/.exec(miss.headers["cache-status"]);
    assert.equal(decodeURIComponent(quoted), key);
    await world.stored(key);
    assert.equal((await translate(world, input, options)).json.cache.status, "hit");
    const none = await translate(world, input, { ...options, cache: { namespace: null } });
    assert.equal(none.json.cache.key, keyOf(world, input).slice("my-app:".length));
  });

  test("reads nothing that a node with Dynamiq's keys stored, and leaves it alone", async () => {
    const input = hello();
    const theirs = await world.run({ input, config: { cache: CACHE } });
    assert.equal(theirs.json.cache.key.split(":").length, 4);
    const value = await world.stored(theirs.json.cache.key);
    assert.equal((await translate(world, input)).json.cache.status, "miss");
    await world.stored(keyOf(world, input));
    assert.equal(await world.store.get(theirs.json.cache.key), value);
    const again = await world.run({ input, config: { cache: CACHE } });
    assert.equal(again.json.cache.status, "hit");
    assert.equal(again.headers.age, undefined, "Dynamiq's values do not say how old they are");
  });

  test("stores no secret, and logs nothing of what was asked, answered or hashed", async () => {
    const input = hello();
    await translate(world, input);
    const stored = await world.stored(keyOf(world, input));
    assert.doesNotMatch(`${keyOf(world, input)} ${stored}`, /CANARY/);
    await world.settle();
    const log = world.recorder.texts("log of the Worker").join("\n");
    assert.match(log, /"node":"translator"/);
    assert.doesNotMatch(log, new RegExp(`${input.text}|${sha256(canonical(input))}|Summary`));
  });
});

overBothStores("an envelope in the store", {}, (world) => {
  /** What lies there for an output, and the age that a hit on it has. */
  const served = {
    "just stored": [(output) => envelope(output), /^[0-9]$/],
    "stored 90 seconds ago, in another order and with white space": [
      (output) => ` { "body" : ${output} , "stored_at" : ${Date.now() - 90_000} , "v" : 1 } `,
      /^9\d$/,
    ],
    "with members that are not known": [
      (output) => envelope(output, { usage: { tokens: 1 } }),
      /^[0-9]$/,
    ],
    "stored later than now, as other clocks have it": [
      (output) => envelope(output, { stored_at: Date.now() + 3_600_000 }),
      /^0$/,
    ],
    "without a time": [(output) => `{"v":1,"body":${output}}`, undefined],
    "with a time that is none": [(output) => envelope(output, { stored_at: "now" }), undefined],
  };
  const outputs = ['{"content": 1E400}', "{}", "[]", "0", "false", '""'];
  for (const [place, [name, [stored, age]]] of Object.entries(served).entries()) {
    const output = outputs[place];
    test(`is a hit, with its age where that is known: ${output}, ${name}`, async () => {
      const input = hello();
      await world.store.set(keyOf(world, input), stored(output));
      const { json, text, headers } = await translate(world, input);
      assert.equal(json.cache.status, "hit");
      assert.ok(text.includes(`"output":${output},`), text);
      if (age) assert.match(headers.age, age);
      else assert.equal(headers.age, undefined);
      assert.equal(world.upstream.calls.length, 0);
    });
  }

  const foreign = {
    "plain text": ["hello world", "not-json"],
    "nothing at all": ["", "not-json"],
    "Dynamiq's form": [base64('{"content": "x"}'), "not-json"],
    "an envelope that was cut off": [envelope("{}").slice(0, -1), "not-json"],
    "an output of NaN": [envelope("NaN"), "not-json"],
    "an output without envelope": ['{"content": "x"}', "not-envelope"],
    "JSON that is no object": ["[1]", "not-envelope"],
    "another version": [envelope("{}", { v: 2 }), "not-envelope"],
    "a version that is a text": [envelope("{}", { v: "1" }), "not-envelope"],
    "no output": ['{"v":1,"stored_at":1,"fresh_until":null}', "not-envelope"],
    "the output null": [envelope("null"), "null-value"],
  };
  for (const [name, [value, reason]] of Object.entries(foreign)) {
    test(`is none: a miss that says ${reason}, and the next run hits: ${name}`, async () => {
      const input = hello();
      const key = keyOf(world, input);
      await world.store.set(key, value);
      const first = await translate(world, input);
      assert.equal(first.status, 200);
      assert.deepEqual(first.json.cache, { status: "miss", key, reason });
      assert.equal(
        first.headers["cache-status"],
        `edgememo; fwd=miss; detail=${reason}; key="${key}"`,
      );
      assert.equal(first.headers.age, undefined);
      assert.equal(world.upstream.calls.length, 1);

      await world.settle();
      const second = await translate(world, input);
      assert.equal(second.json.cache.status, "hit");
      assert.deepEqual(second.json.output, first.json.output);
    });
  }
});

withWorld("a canonical key that holds something else than a string", {}, (world) => {
  test("is a miss that says wrong-type, and what lies there stays", async () => {
    const input = hello();
    await world.store.client.lPush(keyOf(world, input), "somebody's list");
    const { status, json } = await translate(world, input);
    assert.deepEqual([status, json.cache.reason], [200, "wrong-type"]);
    await world.settle();
    assert.equal(await world.store.client.lIndex(keyOf(world, input), 0), "somebody's list");
  });
});

overBothStores("an input without a canonical key", {}, (world) => {
  const inputs = {
    "two members of one name": [
      '{"language":"German","text":"a","text":"b"}',
      "duplicate-name",
      "Translate into German: b",
    ],
    "two names that are one when read": [
      '{"language":"German","text":"a","n":{"x":1,"\\u0078":2}}',
      "duplicate-name",
      "Translate into German: a",
    ],
    "half of a surrogate pair": [
      '{"language":"German","text":"a","n":"\\ud800"}',
      "lone-surrogate",
      "Translate into German: a",
    ],
    "a number beyond every use": [
      '{"language":"German","text":"a","n":1e1000000}',
      "exponent-out-of-range",
      "Translate into German: a",
    ],
    "a number of more digits than anybody reads": [
      `{"language":"German","text":"a","n":0.${"1".repeat(4_301)}}`,
      "number-too-long",
      "Translate into German: a",
    ],
  };
  const assertBypass = (answer, reason) => {
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.status, "success");
    assert.deepEqual(answer.json.cache, { status: "bypass", key: null, reason });
    assert.equal(answer.headers["cache-status"], `edgememo; fwd=bypass; detail=${reason}`);
    assert.match(answer.headers["server-timing"], /^execute;dur=\d+/);
    assert.equal(answer.headers.age, undefined);
  };

  for (const [name, [input, reason, prompt]] of Object.entries(inputs)) {
    test(`executes every time, says ${reason}, and leaves the store alone: ${name}`, async () => {
      for (const calls of [1, 2]) {
        const answer = await translate(world, input);
        assertBypass(answer, reason);
        assert.equal(answer.json.output.content, `Summary ${calls}.`);
        assert.equal(world.upstream.calls.length, calls);
      }
      const [{ content }] = JSON.parse(world.upstream.calls[0].text).messages;
      assert.equal(content, prompt);
      assert.equal(await world.store.touched(), false);
    });
  }

  test("is told of kwargs too, and without config.cache only that there is none", async () => {
    const body = (config) =>
      `{"input":{"language":"German","text":"a"},"kwargs":{"a":1,"a":2},"config":${config}}`;
    const run = (config) => world.run(body(config), { node: "translator" });
    assertBypass(await run('{"cache":{"namespace":"my-app"}}'), "duplicate-name");
    assertBypass(await run("null"), "no-cache-config");
    assert.equal(await world.store.touched(), false);
  });

  test("may be one that no prompt can print: refused, as with Dynamiq's keys", async () => {
    const answer = await translate(world, '{"language":"German","text":"\\ud800"}');
    assertFailure(answer, 422, "ValidationError");
    assert.equal(answer.json.cache.reason, "lone-surrogate");
    assert.equal(world.upstream.calls.length, 0);
    assert.equal(await world.store.touched(), false);
  });

  test("has one where keys are Dynamiq's", async () => {
    const [input] = inputs["two members of one name"];
    const answer = await world.run(`{"input":${input},"config":{"cache":{"namespace":"my-app"}}}`);
    assert.equal(answer.json.cache.status, "miss");
  });
});

/** A MISS and a HIT of its own for each of two Workers, each with a provider of its own. */
async function assertOwnAnswer(world, store, input, content) {
  world.upstream.behave(behaviours.answer(content));
  const miss = await translate(world, input);
  assert.deepEqual([miss.json.cache.status, miss.json.output], ["miss", { content }]);
  assert.equal(miss.json.cache.key, keyOf(world, input));
  await store.stored(keyOf(world, input));
  const hit = await translate(world, input);
  assert.deepEqual([hit.json.cache.status, hit.json.output], ["hit", { content }]);
}

withWorld("another base URL of the provider", {}, (world) => {
  test("never gets the answers of the first", async () => {
    const input = hello();
    await assertOwnAnswer(world, world, input, "from here");
    const other = new World({ store: "redis", env: world.store.env });
    await other.start();
    try {
      await assertOwnAnswer(other, world, input, "from there");
      assert.notEqual(keyOf(other, input), keyOf(world, input));
    } finally {
      await other.close();
    }
    assert.deepEqual((await translate(world, input)).json.output, { content: "from here" });
  });
});

describe("another base URL after a restart over the embedded store", { timeout: 60_000 }, () => {
  test("never gets the answers of the first", async (t) => {
    const persist = await mkdtemp(path.join(tmpdir(), "edgememo-"));
    t.after(() => rm(persist, { recursive: true, force: true }));
    const input = hello();
    for (const content of ["from here", "from there"]) {
      const world = new World({ store: "embedded", persist });
      await world.start();
      try {
        await assertOwnAnswer(world, world, input, content);
      } finally {
        await world.close();
      }
    }
  });
});
