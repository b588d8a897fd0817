// What the package exports, over the wasm module that an entry has loaded.
import { edgememoError } from "./error.js";
import { isWellFormed, wellFormedJson } from "./text.js";
import { jsonText } from "./value.js";

const MEMBERS = ["entityId", "input", "kwargs", "namespace", "scheme", "definition"];

/**
 * @typedef {object} Raw the exports of the wasm module
 * @property {(...request: (string | undefined)[]) => string} cacheKey
 * @property {(text: string, scheme: string) => string} canonicalize
 * @property {(a: (string | undefined)[], b: (string | undefined)[]) => string} explain
 */

/** @param {Raw} raw */
export function over(raw) {
  return {
    cacheKey(request) {
      return raw.cacheKey(...asRaw(request, ""));
    },

    canonicalize(input, scheme = "dynamiq") {
      return raw.canonicalize(required(input, "input"), word(scheme, "scheme"));
    },

    explain(a, b) {
      return JSON.parse(raw.explain(asRaw(a, "a."), asRaw(b, "b.")));
    },
  };
}

/**
 * A request as the wasm module takes it: its parts in order, values as JSON text.
 * @param {unknown} request
 * @param {string} prefix of the parts' names in messages
 */
function asRaw(request, prefix) {
  if (typeof request !== "object" || request === null || Array.isArray(request)) {
    const name = prefix === "" ? "the request" : prefix.slice(0, -1);
    throw invalid(`${name} has to be an object with entityId and input`);
  }
  for (const name of Object.keys(request)) {
    // A member that nobody reads would look like a cache that never hits.
    if (!MEMBERS.includes(name))
      throw invalid(`${prefix}${name} is not known; there are ${MEMBERS.join(", ")}`);
  }
  const { entityId, input, kwargs, namespace, scheme = "dynamiq", definition } = request;
  return [
    word(scheme, `${prefix}scheme`),
    namespace === undefined || namespace === null
      ? undefined
      : word(namespace, `${prefix}namespace`),
    word(entityId, `${prefix}entityId`),
    required(input, `${prefix}input`),
    optional(kwargs, `${prefix}kwargs`),
    optional(definition, `${prefix}definition`),
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
function required(value, part) {
  if (typeof value === "string") return wellFormedJson(value, part);
  if (value === undefined) throw invalid(`${part} is missing`);
  const text = jsonText(value, part);
  if (text !== undefined) return text;
  const message = `${part}: $ is undefined after its toJSON, which JSON cannot hold`;
  throw edgememoError("unsupported-value", message, { path: "$" });
}

/** The same for a part that need not be there; null is what a JSON body says for that. */
function optional(value, part) {
  return value === undefined || value === null ? undefined : required(value, part);
}

function invalid(message) {
  return edgememoError("invalid-argument", message);
}
