// What the package exports, over the wasm module that an entry has loaded.
import { edgememoError, shortened } from "./error.js";
import { pathAt } from "./path.js";
import { isWellFormed, wellFormedJson } from "./text.js";
import { jsonText } from "./value.js";

const MEMBERS = ["entityId", "input", "kwargs", "namespace", "scheme", "definition"];

/**
 * @typedef {object} Raw the exports of the wasm module
 * @property {(...request: (string | undefined)[]) => string} cacheKey
 * @property {(text: string, scheme: string) => string} canonicalize
 * @property {(a: (string | undefined)[], b: (string | undefined)[]) => string} explain
 * @property {(output: string) => string} encodeValue
 * @property {(stored: string) => string} decodeValue
 */

/**
 * The texts that were made of JavaScript values here, by the names that messages have for them.
 * @typedef {Map<string, string>} Written
 */

/** @param {Raw} raw */
export function over(raw) {
  return {
    cacheKey(request) {
      const written = new Map();
      const parts = asRaw(request, "", written);
      return located(written, () => raw.cacheKey(...parts));
    },

    canonicalize(input, scheme = "dynamiq") {
      const written = new Map();
      const text = required(input, "input", written);
      const name = word(scheme, "scheme");
      return located(written, () => raw.canonicalize(text, name));
    },

    explain(a, b) {
      const written = new Map();
      const [partsOfA, partsOfB] = [asRaw(a, "a.", written), asRaw(b, "b.", written)];
      return JSON.parse(located(written, () => raw.explain(partsOfA, partsOfB)));
    },

    encodeValue(output) {
      const written = new Map();
      const text = required(output, "output", written);
      return located(written, () => raw.encodeValue(text));
    },

    decodeValue(stored) {
      if (typeof stored !== "string") throw invalid("the stored value has to be a string");
      return raw.decodeValue(stored);
    },
  };
}

/**
 * What `compute` gives. An error that points into a text which was made here points into the value:
 * the caller never had the text.
 * @template T
 * @param {Written} written
 * @param {() => T} compute
 */
function located(written, compute) {
  try {
    return compute();
  } catch (error) {
    const { code, message, position } = error;
    if (position === undefined) throw error;
    for (const [part, text] of written) {
      if (!message.startsWith(part)) continue;
      const path = pathAt(text, position);
      const there = message.replace(`at byte ${position}`, () => `at ${shortened(path)}`);
      throw edgememoError(code, there, { path });
    }
    throw error;
  }
}

/**
 * A request as the wasm module takes it: its parts in order, values as JSON text.
 * @param {unknown} request
 * @param {string} prefix of the parts' names in messages
 * @param {Written} written
 */
function asRaw(request, prefix, written) {
  if (typeof request !== "object" || request === null || Array.isArray(request)) {
    const name = prefix === "" ? "the request" : prefix.slice(0, -1);
    throw invalid(`${name} has to be an object with entityId and input`);
  }
  for (const name of Object.keys(request)) {
    // A member that nobody reads would look like a cache that never hits.
    if (!MEMBERS.includes(name))
      throw invalid(`${prefix}${shortened(name)} is not known; there are ${MEMBERS.join(", ")}`);
  }
  const { entityId, input, kwargs, namespace, scheme = "dynamiq", definition } = request;
  return [
    word(scheme, `${prefix}scheme`),
    namespace === undefined || namespace === null
      ? undefined
      : word(namespace, `${prefix}namespace`),
    word(entityId, `${prefix}entityId`),
    required(input, `${prefix}input`, written),
    optional(kwargs, `${prefix}kwargs`, written),
    optional(definition, `${prefix}definition`, written),
  ];
}

/** A string that is not JSON. */
function word(value, part) {
  if (typeof value !== "string") throw invalid(`${part} has to be a string`);
  if (!isWellFormed(value))
    throw edgememoError("lone-surrogate", `${part} holds a lone surrogate, which no key can hold`);
  return value;
}

/** The JSON text of a part: a string is one already. */
function required(value, part, written) {
  if (typeof value === "string") return wellFormedJson(value, part);
  if (value === undefined) throw invalid(`${part} is missing`);
  const text = jsonText(value, part);
  if (text !== undefined) {
    written.set(part, text);
    return text;
  }
  const message = `${part}: $ is undefined after its toJSON, which JSON cannot hold`;
  throw edgememoError("unsupported-value", message, { path: "$" });
}

/** The same for a part that need not be there; null is what a JSON body says for that. */
function optional(value, part, written) {
  return value === undefined || value === null ? undefined : required(value, part, written);
}

function invalid(message) {
  return edgememoError("invalid-argument", message);
}
