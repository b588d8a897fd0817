/** What is stored under keys of the scheme dynamiq; that it is what Python stores, the vectors say. */
import assert from "node:assert/strict";
import path from "node:path";
import { before, describe, it } from "node:test";
import { manifest, PACKAGE } from "./runtimes.mjs";

let edgememo;
before(async () => {
  edgememo = await import(path.join(PACKAGE, manifest().exports["."].node));
});

const base64 = (text) => Buffer.from(text).toString("base64");

describe("an output is stored", () => {
  it("as Python spells it, with the members as they were written", () => {
    const stored = base64('{"b": [1.0, {"d": 1, "c": 2}], "a": "\\u00e9"}');
    assert.equal(edgememo.encodeValue('{"b":[1.0,{"d":1,"c":2}],"a":"é"}'), stored);
    const value = { b: [1.5, { d: 1n, c: undefined }], a: "\ud800" };
    const text = '{"b": [1.5, {"d": 1}], "a": "\\ud800"}';
    assert.equal(edgememo.encodeValue(value), base64(text));
  });

  it("with what Python writes and JSON does not know", () => {
    assert.equal(edgememo.encodeValue("[NaN, -Infinity]"), base64("[NaN, -Infinity]"));
    assert.throws(() => edgememo.encodeValue([Number.NaN]), { code: "non-finite-number" });
  });

  it("unless it is no JSON", () => {
    const refusal = { name: "EdgememoError", code: "invalid-json", position: 2 };
    assert.throws(() => edgememo.encodeValue("[1"), { ...refusal, message: /^output: / });
  });
});

describe("a stored value is read", () => {
  it("to the letter", () => {
    for (const json of ['{"b":1.0, "b":\t"é\\u00e9"}', " 1e400 ", '"\\ud800"', "[]", '""']) {
      assert.equal(edgememo.decodeValue(base64(json)), json);
    }
  });

  it("passing over what is not of the alphabet, as Python does", () => {
    assert.equal(edgememo.decodeValue("W z\nF\ud800d!"), "[1]");
  });

  it("or refused, with a code", () => {
    for (const [stored, code] of [
      ["A", "not-base64"],
      ["hello world", "not-base64"],
      ["//4=", "not-utf8"],
      ["", "not-json"],
      [base64("[1"), "not-json"],
      [base64("[NaN]"), "not-json"],
      [base64("-Infinity"), "not-json"],
      [base64(" null "), "null-value"],
    ]) {
      const refusal = { name: "EdgememoError", code, message: /^the stored value is / };
      assert.throws(() => edgememo.decodeValue(stored), refusal, stored);
    }
  });
});
