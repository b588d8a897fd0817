/**
 * The canary for secrets. Every token and key of the suite is made by `secret()`, so it contains
 * the word CANARY, and everything that leaves the Worker (responses, logs, what lies in the store)
 * goes into a `Recorder`. One find at the end fails the tests of that world.
 */
import { randomBytes } from "node:crypto";

const WORD = "CANARY";

/** A secret for tests: unique, and recognisable wherever it turns up. */
export function secret(purpose) {
  return `${purpose}-${WORD}-${randomBytes(8).toString("hex")}`;
}

/**
 * The spellings the word is searched in. A secret that was encoded on its way out is out as well.
 * Base64 depends on the position of the word modulo three, so the outermost characters, which mix
 * with the neighbours, are left off.
 */
const SPELLINGS = [
  { name: "plain", pattern: new RegExp(WORD, "i") },
  { name: "hex", pattern: new RegExp(Buffer.from(WORD).toString("hex"), "i") },
  ...[0, 1, 2].map((shift) => ({
    name: `base64 at offset ${shift}`,
    pattern: new RegExp(base64Core(WORD, shift)),
  })),
];

function base64Core(word, shift) {
  const encoded = Buffer.from("\0".repeat(shift) + word).toString("base64");
  const first = Math.ceil((shift * 4) / 3);
  const whole = Math.floor(((shift + word.length) * 4) / 3);
  return encoded.slice(first, whole);
}

/** What a secret looks like from outside: its place, its spelling and its masked surroundings. */
function search(place, text) {
  return SPELLINGS.flatMap(({ name, pattern }) => {
    const match = pattern.exec(text);
    if (!match) return [];
    const before = text.slice(Math.max(0, match.index - 60), match.index);
    return [`${place} (${name}): …${before}[secret]…`];
  });
}

/** Collects what came out of one world and says whether a secret was among it. */
export class Recorder {
  #records = [];

  /** @param {string} place where it was seen; @param {string | Uint8Array} content */
  record(place, content) {
    const text = typeof content === "string" ? content : Buffer.from(content).toString("latin1");
    this.#records.push({ place, text });
  }

  /** A stored value is also searched in its decoded form. */
  recordStored(place, content) {
    this.record(place, content);
    const text = Buffer.from(content).toString("latin1");
    this.record(`${place}, decoded`, Buffer.from(text, "base64"));
  }

  /** The texts recorded under places that start with `prefix`. */
  texts(prefix) {
    return this.#records.filter(({ place }) => place.startsWith(prefix)).map(({ text }) => text);
  }

  finds() {
    return this.#records.flatMap(({ place, text }) => search(place, text));
  }

  assertClean() {
    const finds = this.finds();
    if (finds.length > 0) {
      throw new Error(`a secret left the Worker in ${finds.length} place(s):\n${finds.join("\n")}`);
    }
  }
}
