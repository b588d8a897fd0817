/** What a JavaScript value means as JSON: the rules of src/js/value.js, which need no wasm. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import vm from "node:vm";
import { over } from "../../src/js/index.js";
import { wellFormedJson } from "../../src/js/text.js";
import { jsonText } from "../../src/js/value.js";
import { inArrays, sampler } from "./samples.mjs";

const text = (value) => jsonText(value, "input");

/** Fails unless the value is refused with this code, at this path. */
function assertRefused(value, code, path) {
  assert.throws(
    () => text(value),
    (error) => {
      assert.ok(error instanceof Error);
      assert.equal(error.name, "EdgememoError");
      assert.equal(error.code, code, error.message);
      assert.equal(error.path, path);
      assert.match(error.message, /^input: /);
      if (path !== undefined) assert.ok(error.message.includes(path), error.message);
      return true;
    },
  );
}

class Point {
  #hidden = 1;
  x = 1;
  y = [this.#hidden];
  get sum() {
    return 2;
  }
  norm() {}
}

function someArguments() {
  // biome-ignore lint/complexity/noArguments: they are what is tested
  return arguments;
}

const withToJSON = (toJSON, rest = {}) => ({ ...rest, toJSON });
const disguised = (value) => Object.defineProperty(value, Symbol.toStringTag, { value: "Object" });
const proxied = (target) => new Proxy(target, {});

describe("a value means what JSON.stringify writes", () => {
  const shared = { a: 1 };
  const date = new Date(86_400_000);
  const noToJSON = Object.assign(() => {}, { toJSON: () => "from a function" });
  for (const [name, value] of [
    ["null", null],
    ["booleans", [true, false]],
    ["integers up to the safe ones", [0, 1, -1, 2 ** 53 - 1, -(2 ** 53) + 1]],
    ["minus zero", [-0, { a: -0 }]],
    ["fractions", [0.1, -1.5, 1e-7, 5e-324, 2.2250738585072014e-308, 1 / 3, 4503599627370495.5]],
    ["strings", ["", "a", 'quote " backslash \\ slash /', "\u0000\b\t\n\f\r\u001f\u007f"]],
    ["strings beyond ASCII", ["é", "中文", "😀", "\u2028\u2029", "\ufeff", "\uffff"]],
    ["lone surrogates", ["\ud800", "a\udc00b", "\udc00\ud800", "\ud83d\ud83d\ude00"]],
    ["long strings", ["x".repeat(41), "\n".repeat(40), '"'.repeat(41), `${"x".repeat(50)}\ud800`]],
    ["empty containers", [[], {}, [[]], [{}]]],
    ["members in the order in which they came", { b: 1, a: 2, 10: 3, 9: 4, "": 5 }],
    ["names that need escapes", { 'a"b': 1, "\n": 2, "\ud800": 3, "😀": 4 }],
    ["__proto__ as a name", JSON.parse('{"__proto__": {"a": 1}, "constructor": 2}')],
    ["members that are undefined", { a: undefined, b: 1, c: undefined }],
    ["only undefined members", { a: undefined }],
    ["undefined in arrays", [undefined, 1, undefined]],
    ["holes in arrays", Object.assign(new Array(4), { 1: 1 })],
    ["an array with further properties", Object.assign([1], { extra: 2 })],
    ["members that are not enumerable", Object.defineProperty({ a: 1 }, "b", { value: 2 })],
    ["symbols as names", { [Symbol("a")]: 1, b: 2 }],
    ["a prototype of null", Object.assign(Object.create(null), { a: 1 })],
    ["inherited members", Object.create({ inherited: 1 }, {})],
    ["an instance of a class", new Point()],
    ["an array of a subclass", class extends Array {}.from([1, 2])],
    [
      "a getter",
      {
        get a() {
          return 1;
        },
      },
    ],
    ["the same object twice", { a: shared, b: [shared, shared] }],
    ["boxed primitives", [Object(1), Object("a"), Object(true), Object(false), Object("")]],
    ["a boxed -0", [Object(-0)]],
    ["a boxed string that says otherwise", [Object.assign(Object("a"), { toString: () => "b" })]],
    ["a Date", { at: date }],
    ["a Date that is the root", date],
    ["a URL", new URL("http://localhost/?a=1")],
    ["a Buffer", Buffer.from([1, 2, 255])],
    ["toJSON", withToJSON(() => ({ a: 1 }))],
    ["toJSON that gives undefined for a member", { a: withToJSON(() => undefined), b: 1 }],
    ["toJSON that gives undefined in an array", [withToJSON(() => undefined)]],
    ["toJSON that gives null", [withToJSON(() => null)]],
    ["toJSON that is given the name", { a: withToJSON((key) => `<${typeof key} ${key}>`) }],
    ["toJSON that is given the index", [0, withToJSON((key) => `<${typeof key} ${key}>`)]],
    ["toJSON that is given nothing at the root", withToJSON((key) => `<${typeof key} ${key}>`)],
    ["toJSON that gives what has a toJSON", withToJSON(() => withToJSON(() => 1, { b: 2 }).b)],
    ["toJSON that gives a boxed string", [withToJSON(() => Object("a"))]],
    ["toJSON as an ordinary member", { toJSON: 1, a: 2 }],
    [
      "toJSON of its own object",
      withToJSON(
        function () {
          return { ...this, toJSON: 0 };
        },
        { a: 1 },
      ),
    ],
    ["toJSON of an array", Object.assign([1, 2], { toJSON: () => [3] })],
    ["toJSON of a function", { a: noToJSON }],
    ["a Map with a toJSON", Object.assign(new Map(), { toJSON: () => [[1, 2]] })],
    ["proxies", proxied({ a: proxied([1, proxied({ b: 2 })]) })],
    ["objects of another realm", vm.runInNewContext("({a: [1, {b: new Date(0)}], c: Object(2)})")],
    ["a boxed string that lost its prototype", Object.setPrototypeOf(Object(""), { a: 1 })],
  ]) {
    it(name, () => assert.equal(text(value), JSON.stringify(value)));
  }

  it("undefined at the root", () => {
    assert.equal(text(undefined), undefined);
    assert.equal(text(withToJSON(() => undefined)), undefined);
  });

  it("an instance calls the toJSON that it gets from toJSON no second time", () => {
    const value = withToJSON(() => withToJSON(() => "no", { a: 1 }));
    // JSON.stringify leaves the function out; here it is refused.
    assertRefused(value, "unsupported-value", "$.toJSON");
  });

  it("JSON.rawJSON is its text, to the letter", () => {
    const raw = (json) => JSON.rawJSON(json);
    const value = {
      a: raw("1"),
      b: [raw("1.0"), raw("1E400"), raw('"\\u0041"'), raw("null"), raw("true")],
      c: withToJSON(() => raw("-0")),
      d: { ...raw("1") },
      e: proxied(raw("1")),
    };
    assert.equal(text(value), JSON.stringify(value));
    for (const json of ["1", "12345678901234567890", '"a"', "null"]) {
      assert.equal(text(raw(json)), json);
    }
    // In UTF-8 it has to be escaped.
    assert.equal(text([raw('"\ud800"'), raw('"\ud83d\\ude00"')]), '["\\ud800","😀"]');
  });

  it("a proxy of an array has the length that its owner says, once", () => {
    const lengths = [2, "2", 2.7, -1, "x", undefined, null, Number.NaN, { valueOf: () => 1 }];
    for (const length of lengths) {
      let asked = 0;
      const handler = {
        get: (target, name) => {
          if (name !== "length") return target[name];
          asked += 1;
          return length;
        },
      };
      const value = { a: new Proxy([1, 2, 3], handler) };
      const expected = JSON.stringify(value);
      asked = 0;
      assert.equal(text(value), expected, String(length));
      assert.equal(asked, 1);
    }
    let asked = 0;
    const changing = { valueOf: () => [1, 3, 3, 3][asked++] };
    const value = new Proxy([1, 2, 3], {
      get: (target, name) => (name === "length" ? changing : target[name]),
    });
    assert.equal(text(value), "[1]");
    for (const length of [1n, Symbol("length")]) {
      const value = new Proxy([1], {
        get: (target, name) => (name === "length" ? length : target[name]),
      });
      assert.throws(() => JSON.stringify(value), TypeError);
      assert.throws(() => text(value), TypeError);
    }
  });

  it("asks for every member once, in the order in which they are written", () => {
    const log = (value) => {
      const seen = [];
      const handler = {
        get: (target, name) => {
          seen.push(String(name));
          return target[name];
        },
      };
      return [new Proxy(value, handler), seen];
    };
    const members = (seen) => seen.filter((name) => /^[a-z]$/.test(name));
    const [ours, seenByUs] = log({ b: 1, a: [], c: undefined });
    const [theirs, seenByThem] = log({ b: 1, a: [], c: undefined });
    assert.equal(text(ours), JSON.stringify(theirs));
    assert.deepEqual(members(seenByUs), members(seenByThem));
  });

  it("is not confused by what a toJSON does to the object on the way", () => {
    const changing = () => {
      const change = () => {
        delete value.b;
        value.d = 1;
        return "a";
      };
      const value = { a: withToJSON(change), b: 1, c: [1, 2] };
      return value;
    };
    const shrinking = () => {
      const value = [withToJSON(() => value.splice(1).length), 2, 3];
      return value;
    };
    assert.equal(text(changing()), JSON.stringify(changing()));
    assert.equal(text(shrinking()), JSON.stringify(shrinking()));
  });

  it("as it does for random values", () => {
    const sample = sampler(20_260_101);
    for (let round = 0; round < 3_000; round += 1) {
      const value = sample.value();
      assert.equal(text(value), JSON.stringify(value));
    }
  });
});

describe("BigInt", () => {
  it("is an integer with all its digits", () => {
    assert.equal(text([2n ** 64n, -1n, 0n]), "[18446744073709551616,-1,0]");
    assert.equal(text({ a: Object(10n) }), '{"a":10}');
  });

  it("follows a toJSON on its prototype", () => {
    const prototype = BigInt.prototype;
    prototype.toJSON = function (key) {
      return `${key}: ${this}`;
    };
    try {
      assert.equal(text({ a: 1n }), JSON.stringify({ a: 1n }));
      assert.equal(text({ a: 1n }), '{"a":"a: 1"}');
      prototype.toJSON = () => undefined;
      assert.equal(text({ a: 1n, b: [1n] }), JSON.stringify({ a: 1n, b: [1n] }));
    } finally {
      delete prototype.toJSON;
    }
  });
});

describe("refused, with a code and the place", () => {
  const refused = [
    ["a function", () => {}, "unsupported-value"],
    ["a class", Point, "unsupported-value"],
    ["a symbol", Symbol("private"), "unsupported-value"],
    ["a boxed symbol", Object(Symbol("private")), "unsupported-value"],
    ["NaN", Number.NaN, "non-finite-number"],
    ["Infinity", -1 / 0, "non-finite-number"],
    ["a boxed NaN", Object(Number.NaN), "non-finite-number"],
    ["2 ** 53", 2 ** 53, "unsafe-integer"],
    ["-(2 ** 53)", -(2 ** 53), "unsafe-integer"],
    ["1e21", 1e21, "unsafe-integer"],
    ["the largest double", Number.MAX_VALUE, "unsafe-integer"],
    ["a boxed 2 ** 60", Object(2 ** 60), "unsafe-integer"],
    ["an invalid Date", new Date(Number.NaN), "invalid-date"],
    ["an invalid Date of another realm", vm.runInNewContext("new Date(NaN)"), "invalid-date"],
    ["a Map", new Map([["private", 1]]), "unsupported-value", /Object\.fromEntries\(map\)/],
    ["a Set", new Set(["private"]), "unsupported-value", /Array\.from\(set\)/],
    ["a WeakMap", new WeakMap(), "unsupported-value"],
    ["a WeakSet", new WeakSet(), "unsupported-value"],
    ["a promise", Promise.resolve(1), "unsupported-value", /await/],
    ["a regular expression", /private/, "unsupported-value", /source/],
    ["an Error", new Error("private"), "unsupported-value", /message/],
    ["an ArrayBuffer", new ArrayBuffer(4), "unsupported-value", /Base64/],
    ["a DataView", new DataView(new ArrayBuffer(4)), "unsupported-value"],
    ["a Uint8Array", new Uint8Array(4), "unsupported-value", /Array\.from\(typedArray\)/],
    ["a BigInt64Array", new BigInt64Array(4), "unsupported-value", /Array\.from\(typedArray\)/],
    ["a Float32Array", new Float32Array(4), "unsupported-value", /Array\.from\(typedArray\)/],
    ["Headers", new Headers({ a: "private" }), "unsupported-value", /Object\.fromEntries/],
    ["a Blob", new Blob(["private"]), "unsupported-value", /text/],
    ["URLSearchParams", new URLSearchParams("a=private"), "unsupported-value", /params/],
    ["a generator", (function* () {})(), "unsupported-value", /plain object/],
    ["arguments", someArguments(1), "unsupported-value", /Array\.from/],
    ["Math", Math, "unsupported-value", /the kind Math/],
    ["what names its own kind", { [Symbol.toStringTag]: "BigInt", a: 1 }, "unsupported-value"],
    ["a Map in disguise", disguised(new Map()), "unsupported-value"],
    ["a boxed number in disguise", disguised(Object(1)), "unsupported-value"],
    ["a Map of another realm", vm.runInNewContext("new Map()"), "unsupported-value"],
    ["toJSON that gives a function", withToJSON(() => () => {}), "unsupported-value"],
    ["toJSON that gives NaN", withToJSON(() => Number.NaN), "non-finite-number"],
    ["toJSON that gives a Map", withToJSON(() => new Map()), "unsupported-value"],
  ];
  for (const [name, value, code, message = /./] of refused) {
    it(name, () => {
      assertRefused(value, code, "$");
      assertRefused({ a: [0, { b: value }] }, code, "$.a[1].b");
      assertRefused({ "file name": { "": value } }, code, "$['file name']['']");
      assert.throws(() => text(value), { message });
      assert.throws(
        () => text({ value }),
        (error) => !/private/.test(error.message),
      );
    });
  }

  it("at a path that names can be read from", () => {
    for (const [name, step] of [
      ["a_1", ".a_1"],
      ["1a", "['1a']"],
      ["it's", "['it\\'s']"],
      ["a\\b\n\u0001", "['a\\\\b\\n\\u0001']"],
      ["\b\t\f\r\u001f", "['\\b\\t\\f\\r\\u001f']"],
      ["\u007f\u0080", "['\u007f\u0080']"],
      ["a\n", "['a\\n']"],
      ["\ud800é", "['\\ud800é']"],
    ]) {
      assertRefused({ [name]: Number.NaN }, "non-finite-number", `$${step}`);
    }
  });

  it("an object inside itself", () => {
    const object = { a: [{}] };
    object.a[0].b = object;
    assertRefused(object, "cycle", "$.a[0].b");
    const array = [];
    array.push(array);
    assertRefused(array, "cycle", "$[0]");
    const wide = { text: "x".repeat(100_000), again: undefined };
    wide.again = [wide, wide];
    assertRefused(wide, "cycle", "$.again[0]");
  });

  it("what nests deeper than the parser reads", () => {
    assert.equal(text(inArrays(1_000)), JSON.stringify(inArrays(1_000)));
    // The message has only the start of it.
    const path = `$${"[0]".repeat(1_000)}`;
    const refusal = { code: "too-deep", path, message: /^input: \$(\[0\]){66}…/ };
    assert.throws(() => text(inArrays(1_001)), refusal);
    assert.throws(() => text(inArrays(1_000_000)), refusal);
    let endless = 0;
    const unfolding = { toJSON: () => ({ next: { ...unfolding, count: endless++ } }) };
    const next = `$${".next".repeat(1_000)}`;
    assert.throws(() => text(unfolding), { code: "too-deep", path: next });
  });

  it("with a message that no name makes long", () => {
    for (const name of ["x".repeat(100_000), "'".repeat(100_000), "😀".repeat(300)]) {
      assert.throws(
        () => text({ [name]: Number.NaN }),
        ({ message, path }) => {
          assert.ok(path.length > name.length);
          assert.ok(message.length < 300 && message.isWellFormed(), message);
          assert.ok(message.startsWith(`input: ${path.slice(0, 198)}`), message);
          return true;
        },
      );
      const kind = { [Symbol.toStringTag]: name };
      assert.throws(
        () => text(kind),
        ({ message }) => message.length < 400,
      );
    }
  });

  it("and in a time that does not grow with the depth", () => {
    const wide = Array.from({ length: 100_000 }, () => ({}));
    let deep = wide;
    for (let depth = 1; depth < 990; depth += 1) deep = [deep];
    const timeOf = (value) => {
      const times = [1, 2, 3].map(() => {
        const start = performance.now();
        text(value);
        return performance.now() - start;
      });
      return Math.min(...times);
    };
    const [flat, nested] = [timeOf([wide]), timeOf(deep)];
    assert.ok(nested < 3 * flat + 20, `${nested} ms, and ${flat} ms without the depth`);
  });

  it("needs no stack for what is deep", () => {
    const deep = inArrays(1_000);
    const expected = JSON.stringify(deep);
    // Most of the stack is taken; a frame for each level would not fit.
    const nearTheEnd = (left) => (left === 0 ? text(deep) : nearTheEnd(left - 1));
    assert.equal(nearTheEnd(6_000), expected);
  });

  it("what its owner refuses: with the owner's error", () => {
    const own = new Error("mine");
    const failing = () => {
      throw own;
    };
    const objects = [
      Object.defineProperty({}, "a", { enumerable: true, get: failing }),
      withToJSON(failing),
      new Proxy({}, { ownKeys: failing }),
    ];
    for (const object of objects) {
      assert.throws(
        () => text([object]),
        (error) => error === own,
      );
    }
  });
});

describe("JSON text with lone surrogates", () => {
  const given = (json) => wellFormedJson(json, "input");

  it("is left as it is when there are none", () => {
    for (const json of ['{"a": "😀"}', "", "no JSON", '"\\ud800"']) assert.equal(given(json), json);
  });

  it("gets the escapes that denote them", () => {
    assert.equal(given('"\ud800"'), '"\\ud800"');
    assert.equal(given('"a\udfffb\ud83d\ude00"'), '"a\\udfffb\ud83d\ude00"');
    assert.equal(given('"\\\\\ud800"'), '"\\\\\\ud800"');
    assert.equal(given('"\udc00\ud800"'), '"\\udc00\\ud800"');
    assert.equal(given('"\ud83d\\n\\ude00"'), '"\\ud83d\\n\\ude00"');
  });

  it("never turns an escape that does not exist into one that does", () => {
    assert.throws(() => JSON.parse(given('"\\\ud800"')), SyntaxError);
    assert.throws(() => JSON.parse(given('"\\\\\\\ud800"')), SyntaxError);
  });

  it("is refused where half of a pair is an escape: together they would be one character", () => {
    for (const json of ['"\ud83d\\ude00"', '"\\ud83d\ude00"', '"\\\\\\uD83D\ude00"']) {
      assert.throws(() => given(json), { name: "EdgememoError", code: "lone-surrogate" });
    }
    assert.equal(given('"\\\\ud83d\ude00"'), '"\\\\ud83d\\ude00"');
  });
});

describe("a request", () => {
  /** The functions over a stand-in that gives back what reaches wasm. */
  const { cacheKey, canonicalize, decodeValue, encodeValue, explain } = over({
    cacheKey: (...request) => request,
    canonicalize: (...request) => request,
    explain: (a, b) => JSON.stringify([a, b]),
  });
  const refused = (call, code, message) =>
    assert.throws(call, { name: "EdgememoError", code, message });

  it("reaches wasm as texts, in order", () => {
    const whole = {
      scheme: "canonical",
      namespace: "my-app",
      entityId: "summarizer",
      input: { a: 1n },
      kwargs: { b: [] },
      definition: { model: "m" },
    };
    const expected = ["canonical", "my-app", "summarizer", '{"a":1}', '{"b":[]}', '{"model":"m"}'];
    assert.deepEqual(cacheKey(whole), expected);
    assert.deepEqual(explain(whole, whole), [expected, expected]);
  });

  it("has the scheme dynamiq and nothing else when nothing is said", () => {
    const none = undefined;
    const expected = ["dynamiq", none, "", "{}", none, none];
    assert.deepEqual(cacheKey({ entityId: "", input: {} }), expected);
    const said = { namespace: none, kwargs: none, scheme: none, definition: none };
    assert.deepEqual(cacheKey({ entityId: "", input: "{}", ...said }), expected);
    // As a JSON body says it. The text "null" is a value, which wasm looks at.
    const nulls = { namespace: null, kwargs: null, definition: null };
    assert.deepEqual(cacheKey({ entityId: "", input: "{}", ...nulls }), expected);
    const texts = ["dynamiq", none, "", "null", "null", "null"];
    const values = { input: null, kwargs: "null", definition: "null" };
    assert.deepEqual(cacheKey({ entityId: "", ...values }), texts);
    assert.deepEqual(canonicalize(" 1.0 "), [" 1.0 ", "dynamiq"]);
    assert.deepEqual(canonicalize([1], "canonical"), ["[1]", "canonical"]);
    assert.deepEqual(canonicalize(null), ["null", "dynamiq"]);
  });

  it("keeps JSON text to the letter", () => {
    const json = ' {"a":1.0, "a":2,"b":1e400} ';
    assert.equal(cacheKey({ entityId: "n", input: json, kwargs: json })[3], json);
    assert.equal(cacheKey({ entityId: "n", input: "{}", kwargs: json })[4], json);
  });

  it("has no member that nobody reads", () => {
    const misspelt = { entityId: "n", input: {}, namspace: "a" };
    refused(() => cacheKey(misspelt), "invalid-argument", /^namspace is not known/);
    const long = { entityId: "n", input: {}, ["x".repeat(1_000)]: 1 };
    refused(() => cacheKey(long), "invalid-argument", /^x{199}… is not known/);
    refused(
      () => explain({ entityId: "n", input: {} }, misspelt),
      "invalid-argument",
      /^b\.namspace /,
    );
  });

  it("is checked for what is missing or of the wrong type", () => {
    const good = { entityId: "n", input: {} };
    for (const request of [undefined, null, "{}", [], 1]) {
      refused(() => cacheKey(request), "invalid-argument", /^the request has to be an object/);
    }
    refused(() => explain(good), "invalid-argument", /^b has to be an object/);
    refused(() => cacheKey({ input: {} }), "invalid-argument", /^entityId /);
    refused(() => cacheKey({ ...good, entityId: null }), "invalid-argument", /^entityId /);
    refused(() => cacheKey({ ...good, entityId: 1 }), "invalid-argument", /^entityId /);
    refused(() => cacheKey({ ...good, namespace: 1 }), "invalid-argument", /^namespace /);
    refused(() => cacheKey({ ...good, scheme: null }), "invalid-argument", /^scheme /);
    refused(() => cacheKey({ entityId: "n" }), "invalid-argument", /^input is missing/);
    refused(() => canonicalize(), "invalid-argument", /^input is missing/);
    refused(() => canonicalize({}, 1), "invalid-argument", /^scheme /);
    refused(() => encodeValue(), "invalid-argument", /^output is missing/);
    for (const stored of [undefined, null, 1, {}, new Uint8Array(1)]) {
      refused(
        () => decodeValue(stored),
        "invalid-argument",
        /^the stored value has to be a string/,
      );
    }
    const none = withToJSON(() => undefined);
    refused(() => cacheKey({ ...good, input: none }), "unsupported-value", /^input: \$ /);
    refused(() => cacheKey({ ...good, kwargs: none }), "unsupported-value", /^kwargs: \$ /);
  });

  it("names the part that cannot be written", () => {
    const good = { entityId: "n", input: {} };
    const bad = { a: new Map() };
    refused(() => cacheKey({ ...good, kwargs: bad }), "unsupported-value", /^kwargs: \$\.a is /);
    refused(
      () => explain(good, { ...good, definition: bad }),
      "unsupported-value",
      /^b\.definition: \$\.a /,
    );
  });

  it("has no lone surrogate in a name, which UTF-8 cannot hold", () => {
    const good = { entityId: "n", input: {} };
    refused(() => cacheKey({ ...good, entityId: "a\ud800" }), "lone-surrogate", /^entityId /);
    refused(() => cacheKey({ ...good, namespace: "\udc00" }), "lone-surrogate", /^namespace /);
    assert.equal(cacheKey({ ...good, entityId: "😀" })[2], "😀");
  });
});
