/**
 * Runs the shared vectors through the package. It imports nothing, so that it runs wherever the
 * package does: in Node.js, on workerd and in a browser.
 */

/** How many differences are reported; one mistake may show in hundreds of vectors. */
const REPORTED = 20;

/**
 * @param {typeof import("../../src/js/index.js")} edgememo the package
 * @param {{keys: object[], refused: object[], canonical: object[], values: object[]}} vectors
 * @returns {{checked: number, failures: string[], codes: Record<string, string>}} `codes` has the
 *   error code of every vector that is refused, by its name
 */
export function runVectors(edgememo, { keys, refused, canonical, values }) {
  const { cacheKey, canonicalize, explain } = edgememo;
  const failures = [];
  const codes = {};
  let checked = 0;

  const fail = (name, what) => {
    if (failures.length < REPORTED) failures.push(`${name}: ${what}`);
  };
  /** Compares what `compute` gives; an error is a difference too. */
  const expect = (name, what, expected, compute) => {
    checked += 1;
    let found;
    try {
      found = compute();
    } catch (error) {
      return fail(name, `${what} throws ${describe(error)}`);
    }
    if (found !== expected) fail(name, `${what} is ${short(found)}, not ${short(expected)}`);
  };
  const expectError = (name, code, compute, message = /./) => {
    checked += 1;
    try {
      fail(name, `is not refused, but gives ${short(compute())}`);
    } catch (error) {
      if (error.name !== "EdgememoError" || typeof error.code !== "string")
        return fail(name, `throws ${describe(error)}`);
      codes[name] = error.code;
      if (code !== undefined && error.code !== code) fail(name, `is refused as ${error.code}`);
      if (!message.test(error.message)) fail(name, `is refused with "${error.message}"`);
    }
  };
  const request = (vector, more) => ({
    entityId: vector.entity_id,
    namespace: vector.namespace,
    input: vector.input_json,
    kwargs: vector.kwargs_json,
    ...more,
  });

  for (const vector of keys) {
    const { name } = vector;
    expect(name, "canonical input", vector.canonical_input, () => canonicalize(vector.input_json));
    expect(name, "canonical kwargs", vector.canonical_kwargs, () =>
      canonicalize(vector.kwargs_json),
    );
    expect(name, "key", vector.key, () => cacheKey(request(vector)));
    expect(name, "explained key", vector.key, () =>
      onlyKey(explain(request(vector), request(vector))),
    );
  }
  for (const vector of refused) {
    expectError(vector.name, undefined, () => cacheKey(request(vector)));
  }
  for (const vector of canonical) {
    const { name } = vector;
    const whole = request(vector, { scheme: "canonical", definition: vector.definition_json });
    if (vector.error !== undefined) {
      const good = { entityId: "n", input: "{}" };
      for (const [start, compute] of [
        ["", () => cacheKey(whole)],
        ["a\\.", () => explain(whole, good)],
        ["b\\.", () => explain(good, whole)],
      ]) {
        const message = new RegExp(`^${start}(input|kwargs|definition)(: | has |\\.)`);
        expectError(name, vector.error, compute, message);
      }
      continue;
    }
    for (const part of ["input", "kwargs", "definition"]) {
      const expected = vector[`canonical_${part}`];
      expect(name, `canonical ${part}`, expected, () => explain(whole, whole).a[part]);
    }
    expect(name, "canonical text", vector.canonical_input, () =>
      canonicalize(vector.input_json, "canonical"),
    );
    expect(name, "key", vector.key, () => cacheKey(whole));
    expect(name, "explained key", vector.key, () => onlyKey(explain(whole, whole)));
  }
  for (const vector of values) {
    if (vector.kind === "encode") runEncoded(edgememo, vector, expect);
    else runDecoded(edgememo, vector, expect, expectError);
  }
  runValues(edgememo, expect);
  return { checked, failures, codes };
}

function runEncoded({ encodeValue }, { name, output_json, dumps, stored }, expect) {
  expect(name, "stored value", stored, () => encodeValue(output_json));
  expect(name, "stored text", dumps, () => atob(encodeValue(output_json)));
}

/** The expectations are those of tests/vectors.rs. */
function runDecoded({ decodeValue, encodeValue }, vector, expect, expectError) {
  const { name, stored, outcome, decoded } = vector;
  switch (outcome) {
    case "hit":
      if (!/NaN|Infinity/.test(decoded)) {
        // As Python spells it, for which there is no function of its own.
        expect(name, "output", decoded, () => atob(encodeValue(decodeValue(stored))));
      } else if (name !== "decode-neg-zero") {
        // JSON has neither. A literal that overflows a double is JSON, and is passed on.
        expectError(name, "not-json", () => decodeValue(stored));
      }
      return;
    case "miss":
      return expectError(name, "null-value", () => decodeValue(stored));
    case "error":
      return expectError(name, undefined, () => decodeValue(stored));
    default:
      return expect(name, "outcome", "one that is known", () => outcome);
  }
}

/** A value and its text have one key; that the text is right is tested elsewhere. */
function runValues({ cacheKey, canonicalize, explain }, expect) {
  const value = {
    text: "héllo 😀",
    items: [1, -2.5, 1e-7, true, null, undefined],
    at: new Date(0),
    big: 2n ** 64n,
    gone: undefined,
  };
  const json =
    '{"text":"héllo 😀","items":[1,-2.5,1e-7,true,null,null],"at":"1970-01-01T00:00:00.000Z","big":18446744073709551616}';
  const deep = "[".repeat(999) + "]".repeat(999);
  for (const scheme of ["dynamiq", "canonical"]) {
    const request = { entityId: "n", scheme };
    expect(scheme, "key of a value", cacheKey({ ...request, input: json }), () =>
      cacheKey({ ...request, input: value }),
    );
    expect(scheme, "text of a value", canonicalize(json, scheme), () =>
      canonicalize(value, scheme),
    );
    expect(scheme, "depth", canonicalize(deep, scheme), () =>
      canonicalize(JSON.parse(deep), scheme),
    );
  }
  const found = explain(
    { entityId: "n", input: { messages: [{ content: "a" }] } },
    { entityId: "n", input: { messages: [{ content: "b" }] } },
  );
  expect("explain", "equal", false, () => found.equal);
  expect("explain", "differences", "input $.messages[0].content value", () =>
    found.differences.map(({ component, path, kind }) => `${component} ${path} ${kind}`).join(),
  );
}

/** The key of two requests that are the same. */
function onlyKey({ equal, a, b, differences }) {
  return equal && differences.length === 0 && a.key === b.key ? a.key : "two keys";
}

const describe = (error) => `${error?.name} ${error?.code}: ${error?.message}`;

function short(value) {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
