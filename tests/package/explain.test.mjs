/** What the built package's `explain` gives is what index.d.ts declares, and errors say where. */
import assert from "node:assert/strict";
import path from "node:path";
import { before, describe, it } from "node:test";
import { manifest, PACKAGE } from "./runtimes.mjs";
import { membersOf, typeOf, wordsOf } from "./words.mjs";

let edgememo;
before(async () => {
  edgememo = await import(path.join(PACKAGE, manifest().exports["."].node));
});

const GOOD = { entityId: "n", input: {} };
const CANONICAL = { ...GOOD, scheme: "canonical" };

/** Fails unless a value is of a type that index.d.ts declares, to the last member. */
function assertIs(type, value, at) {
  const array = type.match(/^(\w+)\[\]$/);
  if (array) {
    assert.ok(Array.isArray(value), at);
    for (const [index, element] of value.entries()) assertIs(array[1], element, `${at}[${index}]`);
  } else if (type.includes(" | ") && wordsOf(type).length > 0) {
    assert.ok(wordsOf(type).includes(value), `${at}: ${value} is not one of ${type}`);
  } else if (type.includes(" | ")) {
    assert.ok(type.split(" | ").includes(value === null ? "null" : typeof value), at);
  } else if (["string", "boolean"].includes(type)) {
    assert.equal(typeof value, type, at);
  } else if (type === "Component") {
    assertIs(typeOf(type), value, at);
  } else {
    const members = membersOf(type);
    assert.deepEqual(Object.keys(value), Object.keys(members), at);
    for (const [name, type] of Object.entries(members))
      assertIs(type, value[name], `${at}.${name}`);
  }
}

/** The explanation of two requests, which is of the declared shape. */
function explained(a, b) {
  const explanation = edgememo.explain(a, b);
  assertIs("Explanation", explanation, "the explanation");
  assert.equal(explanation.equal, explanation.differences.length === 0);
  assert.equal(explanation.a.key, edgememo.cacheKey(a));
  assert.equal(explanation.b.key, edgememo.cacheKey(b));
  return explanation;
}

describe("an explanation has the declared shape", { timeout: 60_000 }, () => {
  const cases = {
    value: [
      { input: '{"a": [{"b": 1}]}' },
      { input: '{"a": [{"b": "x"}]}' },
      { component: "input", path: "$.a[0].b", a: "1", b: '"x"' },
    ],
    "only-in-a": [
      { kwargs: { "file name": [1, 2] } },
      {},
      { component: "kwargs", path: "$['file name']", a: "[1, 2]", b: null },
    ],
    "only-in-b": [{}, { namespace: "x" }, { component: "namespace", path: "$", a: null, b: '"x"' }],
    order: [
      { input: { a: [{ b: 1, c: 2 }] } },
      { input: { a: [{ c: 2, b: 1 }] } },
      { component: "input", path: "$.a[0]", a: '["b", "c"]', b: '["c", "b"]' },
    ],
  };
  for (const [kind, [a, b, expected]] of Object.entries(cases)) {
    it(`with a difference of the kind ${kind}`, () => {
      const { differences, truncated } = explained({ ...GOOD, ...a }, { ...GOOD, ...b });
      assert.deepEqual(differences, [{ kind, ...expected }]);
      assert.equal(truncated, false);
    });
  }

  it("for every kind and component that is declared", () => {
    assert.deepEqual(wordsOf(membersOf("Difference").kind).sort(), Object.keys(cases).sort());
    const a = { entityId: "a", input: {}, scheme: "canonical", definition: {} };
    const b = { entityId: "b", input: { c: 1 }, kwargs: { d: 1 }, namespace: "" };
    const components = explained(a, b).differences.map(({ component }) => component);
    assert.deepEqual(components, wordsOf(typeOf("Component")));
  });

  it("with what is hashed on both sides", () => {
    const definition = { model: "m", a: [1.5] };
    const a = {
      ...CANONICAL,
      input: '{"b": 1.0, "a": "\\u0041"}',
      kwargs: { run_id: 1 },
      definition,
    };
    const {
      a: side,
      b,
      equal,
    } = explained(a, { ...a, input: { a: "A", b: 1 }, kwargs: undefined });
    assert.ok(equal);
    assert.deepEqual(side, {
      key: edgememo.cacheKey(a),
      input: '{"a":"A","b":1}',
      kwargs: "{}",
      definition: '{"a":[1.5],"model":"m"}',
    });
    assert.deepEqual(b, side);
    assert.equal(explained(GOOD, { ...GOOD, definition }).b.definition, null);
  });

  it("with a list that ends somewhere", () => {
    const input = { a: Array.from({ length: 101 }, () => 0) };
    const { differences, truncated } = explained({ ...GOOD, input }, { ...GOOD, input: { a: [] } });
    assert.equal(differences.length, 100);
    assert.equal(truncated, true);
  });
});

describe("kwargs and definition", () => {
  it("are none when they are null, as in the body of an HTTP request", () => {
    for (const request of [GOOD, CANONICAL]) {
      const key = edgememo.cacheKey(request);
      assert.equal(edgememo.cacheKey({ ...request, kwargs: null, definition: null }), key);
      assert.equal(edgememo.cacheKey({ ...request, kwargs: {} }), key);
    }
    const { equal, a } = explained(CANONICAL, { ...CANONICAL, kwargs: null, definition: null });
    assert.ok(equal);
    assert.deepEqual([a.kwargs, a.definition], ["{}", null]);
  });

  it("are a value when they are the text null", () => {
    const key = edgememo.cacheKey({ ...CANONICAL, definition: "null" });
    assert.notEqual(key, edgememo.cacheKey(CANONICAL));
    assert.notEqual(key, edgememo.cacheKey({ ...CANONICAL, definition: {} }));
    assert.throws(() => edgememo.cacheKey({ ...GOOD, kwargs: "null" }), {
      code: "kwargs-not-object",
    });
  });
});

describe("an error begins with the part of the request", () => {
  for (const [more, code, message] of [
    [{ input: "{" }, "invalid-json", "input: unexpected end of text at byte 1"],
    [{ kwargs: '{"a" 1}' }, "invalid-json", "kwargs: expected `:` at byte 5"],
    [{ input: [] }, "input-not-object", "input has to be an object, not an array"],
    [{ kwargs: "null" }, "kwargs-not-object", "kwargs has to be an object, not null"],
    [{ kwargs: { self: 1 } }, "reserved-keyword", "kwargs.self is a reserved name"],
    [
      { scheme: "canonical", input: '{"a":1,"a":2}' },
      "duplicate-name",
      "input has two members of one name at byte 7, which the canonical scheme does not take",
    ],
    [
      { scheme: "canonical", definition: ["\ud800"] },
      "lone-surrogate",
      "definition has a lone surrogate at byte 2, which the canonical scheme does not take",
    ],
    [{ scheme: "canonical", definition: "" }, "invalid-json", "definition: unexpected end of text"],
    [{ scheme: "x" }, "unknown-scheme", 'scheme has to be "dynamiq" or "canonical"'],
    [{ input: { a: new Map() } }, "unsupported-value", "input: $.a is a value of the kind Map"],
    [{ input: undefined }, "invalid-argument", "input is missing"],
  ]) {
    it(`${message}`, () => {
      const bad = { ...GOOD, ...more };
      const { cacheKey, explain } = edgememo;
      for (const [prefix, call] of [
        ["", () => cacheKey(bad)],
        ["a.", () => explain(bad, GOOD)],
        ["b.", () => explain(GOOD, bad)],
      ]) {
        assert.throws(call, (error) => {
          assert.deepEqual([error.name, error.code], ["EdgememoError", code]);
          assert.ok(error.message.startsWith(prefix + message), error.message);
          return true;
        });
      }
    });
  }

  it("also when it is about the only argument of canonicalize", () => {
    const { canonicalize } = edgememo;
    assert.throws(() => canonicalize("[1"), {
      message: /^input: unexpected end of text at byte 2$/,
    });
    assert.throws(() => canonicalize("[NaN]", "canonical"), {
      message: /^input: NaN and Infinity/,
    });
    assert.throws(() => canonicalize("1e1000000", "canonical"), {
      message: /^input has a number /,
    });
    assert.throws(() => canonicalize(new Set()), { message: /^input: \$ is a value / });
  });
});
