/** What the built package's `explain` gives is what index.d.ts declares, and errors say where. */
import assert from "node:assert/strict";
import path from "node:path";
import { before, describe, it } from "node:test";
import { manifest, PACKAGE } from "./runtimes.mjs";
import { inArrays } from "./samples.mjs";
import { errorCodes, membersOf, typeOf, wordsOf } from "./words.mjs";

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

  it("with differences but one key, where dynamiq puts the same parts together", () => {
    const [a, b] = [
      { ...GOOD, namespace: "a", entityId: "b:c" },
      { ...GOOD, namespace: "a:b", entityId: "c" },
    ];
    assert.equal(edgememo.cacheKey(a), edgememo.cacheKey(b));
    const { equal, differences } = edgememo.explain(a, b);
    assert.equal(equal, true);
    assert.deepEqual(
      differences.map(({ component }) => component),
      ["namespace", "entityId"],
    );
    const scheme = "canonical";
    assert.equal(explained({ ...a, scheme }, { ...b, scheme }).equal, false);
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
      "definition has a lone surrogate at $[0], which the canonical scheme does not take",
    ],
    [
      { scheme: "canonical", definition: '["\\ud800"]' },
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

describe("an error about a value has a path into it", () => {
  const circle = {};
  circle.a = circle;
  const raw = (json) => JSON.rawJSON(json);
  /** What a value can be refused for: its code, the value, the path, and how the key is made. */
  const cases = [
    ["unsupported-value", { a: new Map() }, "$.a"],
    ["unsupported-value", { toJSON: () => undefined }, "$"],
    ["unsafe-integer", { a: [2 ** 53] }, "$.a[0]"],
    ["non-finite-number", { a: Number.NaN }, "$.a"],
    ["invalid-date", { a: new Date(Number.NaN) }, "$.a"],
    ["cycle", circle, "$.a"],
    ["too-deep", { a: inArrays(1_000) }, `$.a${"[0]".repeat(999)}`],
    ["number-too-long", { a: 10n ** 5000n }, "$.a"],
    ["number-too-long", { a: { "ключ 😀": ["é", {}, -(10n ** 4300n)] } }, "$.a['ключ 😀'][2]"],
    ["number-too-long", { a: [raw("1".repeat(4301))] }, "$.a[0]"],
    ["number-too-long", { a: [raw(`1.${"1".repeat(4301)}`)] }, "$.a[0]", "canonical"],
    ["exponent-out-of-range", { a: [1, raw("1e9999999")] }, "$.a[1]", "canonical"],
    ["lone-surrogate", { a: "\ud800" }, "$.a", "canonical"],
    ["lone-surrogate", { a: [0, '[{",:\\', { b: "x\udc00" }] }, "$.a[2].b", "canonical"],
    ["lone-surrogate", { a: {}, b: [[], [1]], "\ud800": 1 }, "$['\\ud800']", "canonical"],
    ["lone-surrogate", { "é'": { "a\ud800": {} } }, "$['é\\'']['a\\ud800']", "canonical"],
    ["lone-surrogate", { a: raw('"\\ud800"') }, "$.a", "canonical"],
    ["input-not-object", [1], "$"],
    ["kwargs-not-object", 1, "$"],
    ["reserved-keyword", { a: 1, self: 2 }, "$.self"],
  ];
  /** Those are about text, or about no value at all. */
  const OTHERS = [
    ...["invalid-argument", "unknown-scheme", "invalid-json", "duplicate-name"],
    ...["not-base64", "not-utf8", "not-json", "null-value"],
  ];

  for (const [code, value, path, scheme] of cases) {
    it(`${code} at ${path.slice(0, 40)}`, () => {
      const { cacheKey, canonicalize, encodeValue, explain } = edgememo;
      const calls = [];
      for (const each of scheme === undefined ? ["dynamiq", "canonical"] : [scheme]) {
        const good = { ...GOOD, scheme: each };
        const parts =
          code.startsWith("kwargs") || code === "reserved-keyword" ? ["kwargs"] : ["input"];
        if (!code.endsWith("-object") && parts[0] === "input") {
          parts.push("kwargs");
          calls.push(["input", () => canonicalize(value, each)]);
          if (each === "dynamiq") calls.push(["output", () => encodeValue(value)]);
          else parts.push("definition");
        }
        for (const part of parts) {
          const bad = { ...good, [part]: value };
          calls.push([part, () => cacheKey(bad)]);
          calls.push([`a.${part}`, () => explain(bad, good)]);
          calls.push([`b.${part}`, () => explain(good, bad)]);
        }
      }
      for (const [part, call] of calls) {
        assert.throws(call, (error) => {
          assert.deepEqual([error.name, error.code], ["EdgememoError", code], error.message);
          assert.equal(error.path, path, part);
          assert.equal(error.position, undefined);
          assert.ok(error.message.startsWith(part), error.message);
          assert.doesNotMatch(error.message, /at byte/);
          return true;
        });
      }
    });
  }

  it("for every code that a value can cause", () => {
    const tested = new Set([...cases.map(([code]) => code), ...OTHERS]);
    assert.deepEqual([...tested].sort(), errorCodes().sort());
  });

  it("but points into a text that was given as one, beside a value", () => {
    const { cacheKey, explain } = edgememo;
    const [text, value] = ['{"a":"\\ud800"}', { a: { b: "\ud800" } }];
    const inText = { code: "lone-surrogate", position: 6, message: / at byte 6,/ };
    const inValue = { code: "lone-surrogate", path: "$.a.b", message: / at \$\.a\.b,/ };
    assert.throws(() => cacheKey({ ...CANONICAL, input: text, kwargs: value }), inText);
    assert.throws(() => cacheKey({ ...CANONICAL, input: {}, kwargs: value }), inValue);
    assert.throws(
      () => explain({ ...CANONICAL, input: value }, { ...CANONICAL, input: text }),
      inValue,
    );
    assert.throws(() => explain(CANONICAL, { ...CANONICAL, input: text }), inText);
  });

  it("unless it is about a keyword that is no part of the key", () => {
    const kwargs = { run_id: "\ud800" };
    assert.equal(edgememo.cacheKey({ ...CANONICAL, kwargs }), edgememo.cacheKey(CANONICAL));
  });

  it("which is written as the paths of differences are", () => {
    const names = [
      "",
      "a",
      "_a1",
      "1a",
      "a b",
      "it's",
      'say "a"',
      "a\\b",
      "/",
      "é",
      "中",
      "😀",
      "ſ",
    ];
    for (let unit = 0; unit <= 0xa0; unit += 1)
      names.push(`${String.fromCharCode(unit)}`, `a${String.fromCharCode(unit)}`);
    names.push("\u2028", "\ufeff", "\ud800", "a\udfff'\n", "\udc00\ud800", "\ud83d😀");
    for (const name of names) {
      const [{ path }] = explained(GOOD, { ...GOOD, input: { [name]: 1 } }).differences;
      assert.throws(() => edgememo.cacheKey({ ...GOOD, input: { [name]: Number.NaN } }), { path });
    }
  });
});
