// A JavaScript value as exact JSON text. Where JSON.stringify gives a text, this one denotes the
// same JSON, or there is an error that says where and why: a value that JSON cannot hold must not
// share a key with another one (JSON.stringify makes `{}` of every Map, and null of NaN).
import { edgememoError, shortened } from "./error.js";
import { pathOf } from "./path.js";
import { isWellFormed } from "./text.js";

/** How deep arrays and objects nest at most; the parser's limit. */
const MAX_DEPTH = 1000;

/** Strings up to this are looked at here; JSON.stringify is faster for longer ones only. */
const SHORT = 40;

const tagOf = Object.prototype.toString;

/**
 * An array or object that is being written.
 * @typedef {object} Frame
 * @property {Frame | null} parent
 * @property {object} holder
 * @property {string[] | null} names of an object's members; null for an array
 * @property {number} length
 * @property {number} index of the value that is being written
 * @property {boolean} empty whether nothing was written yet
 */

/**
 * The JSON text of a value, or undefined where JSON.stringify gives undefined too. There is no
 * recursion, so the depth of the caller's stack does not matter.
 * @param {unknown} root
 * @param {string} part what the value is, for messages
 * @returns {string | undefined}
 */
export function jsonText(root, part) {
  const first = written(root, null, part);
  if (typeof first !== "object") return first;
  /** The arrays and objects that are being written. */
  const open = new Set();
  let frame = opened(first, null, open, part);
  let out = frame.names === null ? "[" : "{";
  for (;;) {
    const { names } = frame;
    frame.index += 1;
    if (frame.index === frame.length) {
      out += names === null ? "]" : "}";
      open.delete(frame.holder);
      frame = frame.parent;
      if (frame === null) return out;
      continue;
    }
    const key = names === null ? frame.index : names[frame.index];
    let next = written(frame.holder[key], frame, part);
    if (next === undefined) {
      if (names !== null) continue;
      next = "null";
    }
    if (frame.empty) frame.empty = false;
    else out += ",";
    if (names !== null) out += `${quoted(key)}:`;
    if (typeof next === "string") {
      out += next;
    } else {
      frame = opened(next, frame, open, part);
      out += frame.names === null ? "[" : "{";
    }
  }
}

/**
 * What stands for a value: its JSON text if it is a scalar, the array or object to be opened, or
 * undefined if JSON has nothing for it.
 * @param {unknown} value
 * @param {Frame | null} frame
 * @param {string} part
 * @returns {string | object | undefined}
 */
function written(value, frame, part) {
  switch (typeof value) {
    case "string":
      return quoted(value);
    case "number":
      return numeral(value, frame, part);
    case "boolean":
      return value ? "true" : "false";
    case "object":
      if (value === null) return "null";
      break;
    case "undefined":
      // A browser's document.all is of this type too.
      if (value === undefined) return undefined;
      break;
    case "symbol":
      throw unsupported("a symbol", "", frame, part);
  }
  const { toJSON } = value;
  if (typeof toJSON !== "function") return bare(value, frame, part);
  const replaced = Reflect.apply(toJSON, value, [frame === null ? "" : String(keyIn(frame))]);
  if (replaced === null) {
    refuseInvalidDate(value, frame, part);
    return "null";
  }
  // What toJSON gives is not asked for its toJSON.
  const isObject = typeof replaced === "object" || typeof replaced === "function";
  return isObject || typeof replaced === "bigint"
    ? bare(replaced, frame, part)
    : written(replaced, frame, part);
}

/**
 * The same for an object, a function or a BigInt that has no toJSON.
 * @param {any} value
 * @param {Frame | null} frame
 * @param {string} part
 * @returns {string | object}
 */
function bare(value, frame, part) {
  if (typeof value === "bigint") return String(value);
  if (typeof value === "function") throw unsupported("a function", "", frame, part);
  if (Array.isArray(value)) return value;
  if (Symbol.toStringTag in value) return tagged(value, frame, part);
  const tag = tagOf.call(value);
  switch (tag) {
    case "[object Object]":
      return JSON.isRawJSON?.(value) ? rawText(value.rawJSON) : value;
    case "[object Number]":
      return numeral(Number(value), frame, part);
    case "[object String]":
      return quoted(String(value));
    case "[object Boolean]":
      return String(Boolean.prototype.valueOf.call(value));
  }
  throw unsupportedTag(tag, frame, part);
}

/**
 * An object that names its own kind. Of those only a boxed BigInt has a JSON text: for the others
 * the tag may hide what they are.
 */
function tagged(value, frame, part) {
  const tag = tagOf.call(value);
  if (tag === "[object BigInt]") {
    try {
      return String(BigInt.prototype.valueOf.call(value));
    } catch {
      // It only says so.
    }
  }
  throw unsupportedTag(tag, frame, part);
}

/**
 * @param {object} holder
 * @param {Frame | null} parent
 * @param {Set<object>} open
 * @param {string} part
 * @returns {Frame}
 */
function opened(holder, parent, open, part) {
  if (open.has(holder)) {
    const path = pathTo(parent);
    const message = `${part}: ${shortened(path)} is inside itself; JSON has no cycles`;
    throw edgememoError("cycle", message, { path });
  }
  if (open.size === MAX_DEPTH) {
    const path = pathTo(parent);
    const message = `${part}: ${shortened(path)} nests deeper than ${MAX_DEPTH} arrays and objects`;
    throw edgememoError("too-deep", message, { path });
  }
  open.add(holder);
  const names = Array.isArray(holder) ? null : Object.keys(holder);
  const length = names === null ? lengthOf(holder) : names.length;
  return { parent, holder, names, length, index: -1, empty: true };
}

/** Of an array, or of a proxy of one: that is what its owner says, read once as JSON.stringify does. */
function lengthOf(array) {
  const length = Math.trunc(+array.length) || 0;
  return Math.min(Math.max(length, 0), Number.MAX_SAFE_INTEGER);
}

/** What JSON.rawJSON was given, which is a scalar: to the letter, if UTF-8 can hold it. */
function rawText(text) {
  return isWellFormed(text) ? text : JSON.stringify(JSON.parse(text));
}

/** A string as JSON; lone surrogates become escapes. */
function quoted(text) {
  if (text.length > SHORT) return JSON.stringify(text);
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0x20 || unit === 0x22 || unit === 0x5c || unit >= 0xd800)
      return JSON.stringify(text);
  }
  return `"${text}"`;
}

function numeral(value, frame, part) {
  if (Number.isInteger(value)) {
    if (Number.isSafeInteger(value)) return String(value);
    const path = pathTo(frame);
    const what = "is an integer beyond Number.MAX_SAFE_INTEGER, which a double may have rounded";
    const message = `${part}: ${shortened(path)} ${what}; use a BigInt, or pass JSON text`;
    throw edgememoError("unsafe-integer", message, { path });
  }
  if (Number.isFinite(value)) return String(value);
  const path = pathTo(frame);
  const message = `${part}: ${shortened(path)} is NaN or infinite, which JSON cannot hold`;
  throw edgememoError("non-finite-number", message, { path });
}

/** JSON.stringify makes null of it, which it shares with every other one. */
function refuseInvalidDate(value, frame, part) {
  if (Object(value) !== value || Symbol.toStringTag in value) return;
  if (tagOf.call(value) !== "[object Date]") return;
  if (!Number.isNaN(Date.prototype.getTime.call(value))) return;
  const path = pathTo(frame);
  throw edgememoError("invalid-date", `${part}: ${shortened(path)} is an invalid Date`, { path });
}

/** What to pass in place of what JSON cannot hold. */
const INSTEAD = {
  Map: "pass Object.fromEntries(map)",
  Set: "pass Array.from(set)",
  Arguments: "pass Array.from(arguments)",
  Promise: "await it first",
  RegExp: "pass its source and flags",
  Error: "pass { name: error.name, message: error.message }",
  Date: "pass date.toISOString()",
  ArrayBuffer: "pass Array.from(new Uint8Array(buffer)), or Base64",
  SharedArrayBuffer: "pass Array.from(new Uint8Array(buffer)), or Base64",
  DataView: "pass an array of the numbers in it, or Base64",
  Headers: "pass Object.fromEntries(headers)",
  URLSearchParams: "pass Array.from(params), or Object.fromEntries(params)",
  FormData: "pass Array.from(formData), or Object.fromEntries(formData)",
  Blob: "pass its text or bytes",
  File: "pass its text or bytes",
};

function unsupportedTag(tag, frame, part) {
  const kind = tag.slice(8, -1);
  const known = Object.hasOwn(INSTEAD, kind) ? INSTEAD[kind] : undefined;
  const typedArray = /^(Big)?(Int|Uint|Float)\d+(Clamped)?Array$/.test(kind);
  const instead = typedArray ? "pass Array.from(typedArray), or Base64" : known;
  const otherwise = "pass what matters of it as a plain object, or give it a toJSON method";
  return unsupported(`a value of the kind ${shortened(kind)}`, instead ?? otherwise, frame, part);
}

function unsupported(what, instead, frame, part) {
  const path = pathTo(frame);
  const advice = instead === "" ? "" : `; ${instead}`;
  const message = `${part}: ${shortened(path)} is ${what}, which JSON cannot hold${advice}`;
  return edgememoError("unsupported-value", message, { path });
}

/** @param {Frame} frame */
function keyIn(frame) {
  return frame.names === null ? frame.index : frame.names[frame.index];
}

/** Where the value is that is being written. @param {Frame | null} frame */
function pathTo(frame) {
  const steps = [];
  for (let at = frame; at !== null; at = at.parent) steps.push(keyIn(at));
  return pathOf(steps.reverse());
}
