/**
 * Cache keys of LLM node calls and the values under them, bit for bit those of Dynamiq's Python
 * library.
 *
 * Everything is synchronous, and ready once the module is imported. What goes wrong is thrown as an
 * {@link EdgememoError} with a stable `code`.
 *
 * @packageDocumentation
 */

/**
 * A JSON value, given in one of two ways.
 *
 * A **string is JSON text** and is taken to the letter: `1.0` stays a float, integers keep all their
 * digits, members their order and their duplicates. (So the value "hello" is the text `"\"hello\""`.)
 *
 * Anything else is a JavaScript value and means what `JSON.stringify` writes, or is refused: there
 * is no value that silently becomes another one.
 */
export type Json = unknown;

/**
 * How a key is made.
 *
 * - `dynamiq`: as Dynamiq's Python library does, quirks included, so that both share one cache.
 * - `canonical`: equal values have equal keys, however they are spelled; the key knows the node's
 *   definition.
 */
export type Scheme = "dynamiq" | "canonical";

/** A run of a node: what its cache key is made from. */
export interface KeyRequest {
  /** The node's id. */
  entityId: string;
  /** The node's input; has to be an object. */
  input: Json;
  /** Further keywords of the run; has to be an object. `null` or left out: none, as `{}`. */
  kwargs?: Json;
  /** The first part of the key. `null` or left out: none. */
  namespace?: string | null;
  /** Left out: `dynamiq`. */
  scheme?: Scheme;
  /**
   * What the node does (model, prompt, parameters), which is part of a `canonical` key. `null` or
   * left out: it is none, which is not the same as `{}`. The text `"null"` is a definition: null.
   */
  definition?: Json;
}

/** The part of a request in which a difference is. */
export type Component = "scheme" | "namespace" | "entityId" | "input" | "kwargs" | "definition";

/** One difference between two requests. */
export interface Difference {
  component: Component;
  /** Where in the component, such as `$.messages[0].content`; `$` is all of it. */
  path: string;
  /**
   * `order`: the same members in another order, which counts inside arrays in `dynamiq`; `a` and `b`
   * are then the names.
   */
  kind: "value" | "only-in-a" | "only-in-b" | "order";
  /** What is there in `a`, in the spelling that is hashed; null when nothing is. */
  a: string | null;
  /** What is there in `b`, in the spelling that is hashed; null when nothing is. */
  b: string | null;
}

/** What a request comes to: its key, and the texts that are hashed for it. */
export interface Explained {
  key: string;
  input: string;
  /** Without the keywords that name the run. */
  kwargs: string;
  /** null when it is no part of the key. */
  definition: string | null;
}

/** Why two requests have, or do not have, the same key. */
export interface Explanation {
  /**
   * Whether the keys are equal. In `dynamiq` they can be although there are differences: the
   * namespace `a` with the node `b:c` has the keys of the namespace `a:b` with the node `c`.
   */
  equal: boolean;
  a: Explained;
  b: Explained;
  /** At most 100, in the order of the texts. */
  differences: Difference[];
  /** Whether there are more. */
  truncated: boolean;
}

/** Why something was refused. A code that has shipped does not change its name. */
export type ErrorCode =
  /** A call's argument is missing, of the wrong type, or not known. */
  | "invalid-argument"
  | "unknown-scheme"
  /** JavaScript values that JSON cannot hold. */
  | "unsupported-value"
  | "unsafe-integer"
  | "invalid-date"
  | "cycle"
  /** JavaScript values and JSON text. */
  | "non-finite-number"
  | "lone-surrogate"
  | "too-deep"
  /** JSON text. */
  | "invalid-json"
  | "duplicate-name"
  | "number-too-long"
  | "exponent-out-of-range"
  /** JSON that is no request. */
  | "input-not-object"
  | "kwargs-not-object"
  | "reserved-keyword"
  /** What is stored is no output. */
  | "not-base64"
  | "not-utf8"
  | "not-json"
  | "null-value";

/**
 * What the functions throw. The message says where and what to do. It holds no value, but names of
 * members, which may be private too; each path or name in it is cut after 200 characters.
 */
export interface EdgememoError extends Error {
  name: "EdgememoError";
  code: ErrorCode;
  /** Where in a value, such as `$.messages[0].at`; never cut. */
  path?: string;
  /** Where in a JSON text, in bytes of UTF-8 from its start. */
  position?: number;
}

/**
 * The key under which the output of a run is cached:
 * `[{namespace}:]{entityId}:{sha256(input)}:{sha256(kwargs)}` in the scheme `dynamiq`.
 *
 * @throws {EdgememoError}
 */
export function cacheKey(request: KeyRequest): string;

/**
 * The text that is hashed for a value.
 *
 * @param scheme Left out: `dynamiq`.
 * @throws {EdgememoError}
 */
export function canonicalize(input: Json, scheme?: Scheme): string;

/**
 * Says in which component and at which path two requests differ, for when a hit did not happen.
 *
 * @throws {EdgememoError}
 */
export function explain(a: KeyRequest, b: KeyRequest): Explanation;

/**
 * What is stored under a key of the scheme `dynamiq` for an output: its JSON text in Python's
 * spelling, members in the order in which they are written, in Base64.
 *
 * @throws {EdgememoError}
 */
export function encodeValue(output: Json): string;

/**
 * The output in what is stored under a key of the scheme `dynamiq`: as JSON text, exactly as it was
 * stored. (`JSON.parse` of it may round numbers.)
 *
 * @throws {EdgememoError} With the code `not-base64`, `not-utf8`, `not-json` (which `NaN` and
 * `Infinity` are not either, though Python writes them), or `null-value`: Dynamiq stores null and
 * never serves it.
 */
export function decodeValue(stored: string): string;
