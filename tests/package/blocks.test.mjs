/**
 * Keys from the built package, which looks at sixteen bytes at a time with SIMD, against the rules
 * once more: in JavaScript, a character at a time. (Natively the crate has no such SIMD, so its own
 * tests do not reach it.) The values are those with which blocks could go wrong: strings of every
 * length, with what needs an escape at every place. Numbers are left to other tests.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import path from "node:path";
import { before, describe, it } from "node:test";
import { manifest, PACKAGE } from "./runtimes.mjs";
import { generator } from "./samples.mjs";

const SCHEMES = ["dynamiq", "canonical"];

let edgememo;
before(async () => {
  edgememo = await import(path.join(PACKAGE, manifest().exports["."].node));
});

/**
 * A value: a string, an integer, an array of values, or the members of an object in their order.
 * @typedef {string | number | Value[] | {members: [string, Value][]}} Value
 */

const pointsOf = (text) => Array.from(text, (character) => character.codePointAt(0));

/** @param {[string, Value]} one @param {[string, Value]} other */
function byCodePoints([one], [other]) {
  const [a, b] = [pointsOf(one), pointsOf(other)];
  const at = a.findIndex((point, index) => point !== b[index]);
  if (at < 0) return a.length - b.length;
  return at < b.length ? a[at] - b[at] : 1;
}

const ESCAPES = { '"': '\\"', "\\": "\\\\" };
for (const [index, letter] of ["b", "t", "n", "", "f", "r"].entries()) {
  if (letter) ESCAPES[String.fromCharCode(8 + index)] = `\\${letter}`;
}

const unicodeEscape = (unit) => `\\u${unit.toString(16).padStart(4, "0")}`;

function hashedString(text, scheme) {
  let out = "";
  // By UTF-16 units, of which Python escapes each.
  for (let index = 0; index < text.length; index += 1) {
    const [character, unit] = [text[index], text.charCodeAt(index)];
    if (character in ESCAPES) out += ESCAPES[character];
    else if (unit < 0x20 || (scheme === "dynamiq" && unit > 0x7e)) out += unicodeEscape(unit);
    else out += character;
  }
  return `"${out}"`;
}

/** The text that is hashed. @param {Value} value */
function hashed(value, scheme, inArray = false) {
  const [comma, colon] = scheme === "dynamiq" ? [", ", ": "] : [",", ":"];
  if (typeof value === "string") return hashedString(value, scheme);
  if (typeof value === "number") return String(value);
  if (Array.isArray(value)) {
    return `[${value.map((element) => hashed(element, scheme, true)).join(comma)}]`;
  }
  const sorted = scheme === "canonical" || !inArray;
  const members = sorted ? value.members.toSorted(byCodePoints) : value.members;
  const written = members.map(
    ([name, member]) => hashedString(name, scheme) + colon + hashed(member, scheme, inArray),
  );
  return `{${written.join(comma)}}`;
}

const sha256 = (text) => createHash("sha256").update(text).digest("hex");

/** The key of an input of a node `n`. */
function keyOf(value, scheme) {
  const input = sha256(hashed(value, scheme));
  return scheme === "dynamiq"
    ? `n:${input}:${sha256("{}")}`
    : `n:${input}:${sha256('{"kwargs":{}}')}:v1`;
}

/** JSON text of a value in one of its many spellings. */
function spelled(value, random) {
  const space = () =>
    random() < 0.1 ? [" ", "\n", "\t  ", " ".repeat(17)][(random() * 4) | 0] : "";
  const string = (text) => {
    // Most characters as they are, or the blocks would have nothing to pass over.
    const rate = random() < 0.5 ? 0 : 0.1;
    const units = Array.from({ length: text.length }, (_, index) => {
      const [character, unit] = [text[index], text.charCodeAt(index)];
      // A pair is escaped as a whole: its halves would be no text of their own.
      if (random() < rate && !(unit >= 0xd800 && unit < 0xe000)) return unicodeEscape(unit);
      if (character in ESCAPES) return ESCAPES[character];
      return unit < 0x20 ? unicodeEscape(unit) : character;
    });
    return `"${units.join("")}"`;
  };
  const spell = (value) => {
    if (typeof value === "string") return string(value);
    if (typeof value === "number") return String(value);
    if (Array.isArray(value))
      return `[${space()}${value.map(spell).join(`${space()},${space()}`)}]`;
    const members = value.members.map(
      ([name, member]) => `${string(name)}${space()}:${space()}${spell(member)}`,
    );
    return `{${members.join(`,${space()}`)}${space()}}`;
  };
  return space() + spell(value) + space();
}

/** Characters that end a run of ordinary ones somewhere, and their neighbours. */
const SPECIALS = [
  ...'"\\/\n\t\r\b\f\0\u0001\u001f !#[]^~\u007f\u0080\u009f',
  ...["é", "\u07ff", "ࠀ", "中", "\u2028", "\ud7ff", "\ue000", "\ufeff", "\uffff"],
  ...["😀", "\u{10000}", "\u{10ffff}"],
];

function sampler(random) {
  const below = (limit) => Math.floor(random() * limit);
  const oneOf = (choices) => choices[below(choices.length)];
  /** Ordinary ones to about the end of a block, with a special one here and there. */
  const string = () => {
    const length = oneOf([below(8), 14 + below(5), 30 + below(5), below(70), 126 + below(5)]);
    const characters = Array.from({ length }, () => String.fromCharCode(0x61 + below(26)));
    for (let specials = below(4); specials > 0; specials -= 1) {
      characters.splice(below(characters.length + 1), below(2), oneOf(SPECIALS));
    }
    return characters.join("");
  };
  const names = () => {
    const start = random() < 0.5 ? "" : string();
    return new Set(Array.from({ length: below(oneOf([4, 4, 12])) }, () => start + string()));
  };
  const value = (depth) => {
    const kind = depth > 2 ? below(5) : below(8);
    if (kind < 4) return string();
    if (kind === 4) return below(2 ** below(54)) * (random() < 0.5 ? 1 : -1) || 0;
    if (kind < 7) return Array.from({ length: below(4) }, () => value(depth + 1));
    return object(depth + 1);
  };
  const object = (depth) => ({ members: Array.from(names(), (name) => [name, value(depth)]) });
  return { object: () => object(0) };
}

function assertHashed(value, json) {
  for (const scheme of SCHEMES) {
    const text = hashed(value, scheme);
    assert.equal(edgememo.canonicalize(json, scheme), text, json);
    const key = edgememo.cacheKey({ entityId: "n", input: json, scheme });
    assert.equal(key, keyOf(value, scheme), json);
  }
}

describe("keys of what comes in blocks of sixteen bytes", { timeout: 120_000 }, () => {
  it("with one special character at every place of a string and a name", () => {
    for (let length = 0; length <= 40; length += 1) {
      for (let at = 0; at <= length; at += 1) {
        const values = SPECIALS.map(
          (special) => "a".repeat(at) + special + "b".repeat(length - at),
        );
        // Also at every distance from the start of the text, by the names before.
        const members = values.map((value, index) => [value, index % 2 ? [value] : value]);
        const json = JSON.stringify(Object.fromEntries(members));
        assertHashed({ members }, json);
      }
    }
  });

  it("with two special characters at every distance", () => {
    for (let gap = 0; gap <= 34; gap += 1) {
      for (const one of SPECIALS) {
        const rest = "c".repeat(34 - gap);
        const value = SPECIALS.map((other) => `${one}${"b".repeat(gap)}${other}${rest}`);
        assertHashed({ members: [["", value]] }, JSON.stringify({ "": value }));
      }
    }
  });

  it("unless there is a control character that is no escape, at whatever place", () => {
    const { canonicalize } = edgememo;
    for (let at = 0; at <= 40; at += 1) {
      for (let unit = 0; unit <= 0x20; unit += 1) {
        const value = "a".repeat(at) + String.fromCharCode(unit) + "b".repeat(40 - at);
        const json = `"${value}"`;
        for (const scheme of SCHEMES) {
          if (unit === 0x20) {
            assert.equal(canonicalize(json, scheme), json);
          } else {
            const expected = { code: "invalid-json", position: at + 1 };
            assert.throws(() => canonicalize(json, scheme), expected, `${unit} at ${at}`);
          }
        }
      }
    }
  });

  it("of random objects in random spellings", () => {
    const random = generator(20_260_203);
    const { object } = sampler(random);
    for (let round = 0; round < 4_000; round += 1) {
      const value = object();
      assertHashed(value, spelled(value, random));
    }
  });

  it("which an own writer and JSON.parse agree about", () => {
    // The spelling of the samples is right: or the tests above would compare nothing.
    const random = generator(7);
    const { object } = sampler(random);
    const plain = (value) => {
      if (typeof value !== "object") return value;
      if (Array.isArray(value)) return value.map(plain);
      return Object.fromEntries(value.members.map(([name, member]) => [name, plain(member)]));
    };
    let bytes = 0;
    for (let round = 0; round < 300; round += 1) {
      const value = object();
      const json = spelled(value, random);
      bytes += json.length;
      assert.deepEqual(JSON.parse(json), plain(value));
    }
    assert.ok(bytes > 50_000, `only ${bytes} characters`);
  });
});
