// Nodes that do something else than before, while entries from before live on.
import { readFileSync } from "node:fs";
import { DEFINITIONS, fingerprints, Memory } from "./definitions.mjs";
import { entriesOf } from "./entries.mjs";

/** @typedef {import("./definitions.mjs").Fingerprints} Fingerprints */
/** @typedef {{vars?: string, state?: string}} Options of the command line, as they were given */
/** @typedef {{id: string, count?: number, all?: boolean, reason?: string}} Found a node that changed */

/** A word as the shell reads it back. @param {string} word */
function quoted(word) {
  return /^[\w./:@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/**
 * The command that deletes a node's entries from the same store.
 * @param {string} id @param {Options} [options]
 */
export function purgeLine(id, options = {}) {
  const forMake = (value) => quoted(value.replaceAll("$", "$$$$"));
  const args = Object.entries(options).map(([name, value]) => `--${name} ${quoted(value)}`);
  const line = `make purge NODE=${forMake(id)}`;
  return args.length === 0 ? line : `${line} ARGS=${forMake(args.join(" "))}`;
}

/** @param {Found} found */
function describeCount({ count, all, reason }) {
  if (reason) return `not known how many entries: ${reason}`;
  return `${all ? "" : "at least "}${count} ${count === 1 ? "entry" : "entries"}`;
}

/** @param {Found[]} found @param {string} since @param {Options} options */
function describe(found, since, options) {
  const widest = Math.max(...found.map(({ id }) => id.length));
  const live = found.some(({ count }) => count) ? "live on" : "may live on";
  return `
Note: a node's definition has changed since the last ${since}, and entries from before ${live}:

${found.map((node) => `  ${node.id.padEnd(widest)}  ${describeCount(node)}`).join("\n")}

Keys of the scheme dynamiq do not know what a node does (its model, its prompt): the old outputs are
served until they expire. This deletes the entries, also while this runs:

${found.map(({ id }) => purgeLine(id, options)).join("\n")}

Nodes that share no entries with Python can have \`caching.key: canonical\`, whose keys do.
`;
}

/**
 * Compares the definitions of the build with what they were, and looks for entries. Whatever goes wrong
 * is a note to print, and no reason not to start.
 */
export class Changes {
  #entries;
  #memory;
  #options;
  /** The definitions when they were last looked at. @type {Fingerprints} */
  #seen = {};
  /** What the next start is to compare with. @type {Fingerprints} */
  #known = {};

  /**
   * @param {import("./dev-vars.mjs").Vars} vars
   * @param {string} state folder
   * @param {Options} options
   */
  constructor(vars, state, options) {
    this.#entries = entriesOf(vars, state);
    this.#memory = new Memory(state, this.#entries?.name);
    this.#options = options;
  }

  /** What there is to say at a start; empty when there is nothing. */
  sinceLastStart() {
    return this.#compare("start", this.#memory.fingerprints, (now, found) => {
      this.#known = { ...now };
      // Where the store could not be asked, the next start asks again.
      for (const { id, reason } of found) if (reason) delete this.#known[id];
    });
  }

  /** What there is to say after a build while this runs; the next start says it too. */
  sinceLastBuild() {
    return this.#compare("build", this.#seen);
  }

  /** To be called once it has been said what there was to say at the start. */
  remember() {
    try {
      if (this.#entries) this.#memory.keep(this.#known);
    } catch (error) {
      console.error(`The definitions of this start could not be remembered: ${error.message}`);
    }
  }

  /**
   * @param {string} since what
   * @param {Fingerprints} before
   * @param {(now: Fingerprints, found: Found[]) => void} [then]
   */
  async #compare(since, before, then) {
    // Without a store nothing runs.
    if (!this.#entries) return "";
    try {
      const now = fingerprints(readFileSync(DEFINITIONS, "utf8"));
      this.#seen = { ...this.#seen, ...now };
      const found = await this.#find(before, now);
      then?.(now, found);
      return found.length > 0 ? describe(found, since, this.#options) : "";
    } catch (error) {
      return `\nNote: whether a definition has changed could not be found out: ${error.message}\n`;
    }
  }

  /** @returns {Promise<Found[]>} */
  async #find(before, now) {
    const changed = Object.keys(now).filter((id) => before[id] && before[id] !== now[id]);
    const found = changed.map((id) =>
      this.#entries.count(id).then(
        (counted) => ({ id, ...counted }),
        (error) => ({ id, reason: error.message }),
      ),
    );
    return (await Promise.all(found)).filter(({ count }) => count !== 0);
  }
}
