// What the cached nodes of a build do, and what they did when `make dev` last started over a store.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** Where scripts/build-worker.sh puts the definitions that it compiled in. */
export const DEFINITIONS = fileURLToPath(new URL("../../build/definitions.json", import.meta.url));

/** @typedef {Record<string, string>} Fingerprints by node id */

/**
 * The nodes that are cached under keys of the scheme `dynamiq`, which do not know what a node does,
 * each with a hash of that: its type and everything in its kind (model, prompt, parameters, URL).
 * Name, error handling and transformers change no entry.
 * @param {string} json definitions as the Worker carries them
 * @returns {Fingerprints}
 */
export function fingerprints(json) {
  // Numbers keep their digits: a seed may be longer than a double is exact.
  const { nodes } = JSON.parse(json, (_name, value, { source }) =>
    typeof value === "number" ? JSON.rawJSON(source) : value,
  );
  return Object.fromEntries(
    nodes
      .filter(({ caching }) => caching.enabled && caching.key === "dynamiq")
      .map(({ id, node_type, kind }) => [id, hash({ node_type, kind })]),
  );
}

/**
 * The order of members means nothing, and null is the same as none: a later version of edgememo that
 * moves fields or adds some is no change of a definition.
 */
function hash(value) {
  const text = JSON.stringify(value, (_name, value) => {
    if (value === null || typeof value !== "object") return value;
    if (Array.isArray(value) || JSON.isRawJSON(value)) return value;
    const members = Object.entries(value).filter(([, member]) => member !== null);
    return Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : 1)));
  });
  return createHash("sha256").update(text).digest("hex");
}

/** The fingerprints of the last start, by store, in a file beside the entries of the embedded one. */
export class Memory {
  #file;
  #store;

  /** @param {string} state folder @param {string} store a name that no other store has */
  constructor(state, store) {
    this.#file = `${state}/edgememo-definitions.json`;
    this.#store = store;
  }

  #read() {
    try {
      return JSON.parse(readFileSync(this.#file, "utf8")) ?? {};
    } catch {
      // None yet, or no longer one: then nothing is known.
      return {};
    }
  }

  /** @returns {Fingerprints} */
  get fingerprints() {
    return this.#read()[this.#store] ?? {};
  }

  /**
   * Keeps fingerprints, and those of nodes that are not given: a node that is gone, or has another kind
   * of keys for now, may come back, and its entries with it.
   * @param {Fingerprints} fingerprints
   */
  keep(fingerprints) {
    const all = this.#read();
    all[this.#store] = { ...all[this.#store], ...fingerprints };
    mkdirSync(dirname(this.#file), { recursive: true });
    writeFileSync(`${this.#file}.new`, `${JSON.stringify(all, null, 2)}\n`);
    renameSync(`${this.#file}.new`, this.#file);
  }
}
