// `make purge NODE=id`: deletes a node's entries under keys of the scheme `dynamiq` from the store that
// `make dev` uses, also while it runs. It takes the same options:
//
//   --vars FILE         settings from this file instead of .dev.vars
//   --state FOLDER      the embedded store's folder instead of .wrangler/state
import { existsSync, readFileSync } from "node:fs";
import { DEFINITIONS, fingerprints, Memory } from "./lib/definitions.mjs";
import { readLocal } from "./lib/dev-vars.mjs";
import { entriesOf } from "./lib/entries.mjs";

/** @returns {Promise<string>} what was done @throws {Error} with what to do */
async function purge() {
  const id = process.env.NODE;
  if (!id) throw new Error("Which node? make purge NODE=summarizer");
  const { vars, state } = readLocal();
  const entries = entriesOf(vars, state);
  if (!entries) throw new Error("The settings of Redis are not complete; see `make dev`.");
  const count = await entries.purge(id);
  if (existsSync(DEFINITIONS)) {
    // What is stored from now on is of the node as it is now.
    const { [id]: now } = fingerprints(readFileSync(DEFINITIONS, "utf8"));
    if (now) new Memory(state, entries.name).keep({ [id]: now });
  }
  const what = count === 0 ? "No" : `Deleted ${count}`;
  return `${what} ${count === 1 ? "entry" : "entries"} of ${id}: ${entries.name}.`;
}

try {
  console.log(await purge());
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
