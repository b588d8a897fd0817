/** What index.d.ts and docs/javascript.md say, for tests that compare it with what is. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { root } from "../support/root.mjs";

const read = (name) => readFileSync(path.join(root, name), "utf8");

/** The members of the union `ErrorCode`. */
export function errorCodes() {
  const [, union] = read("src/js/index.d.ts").match(/export type ErrorCode =([^;]*);/);
  return [...union.matchAll(/\| "([a-z\d-]+)"/g)].map(([, code]) => code);
}

/** The codes of the table of errors. */
export function documentedCodes() {
  const [, section] = read("docs/javascript.md").match(/\n## Errors\n([\s\S]*?)\n## /);
  return [...section.matchAll(/^\| `([a-z\d-]+)`/gm)].map(([, code]) => code);
}

/** The members of an interface of index.d.ts, in their order: of each its type as written. */
export function membersOf(name) {
  const [, body] = read("src/js/index.d.ts").match(
    new RegExp(`^export interface ${name} (?:extends \\w+ )?{\\n([^}]*)^}`, "m"),
  );
  const withoutComments = body.replace(/\/\*\*[\s\S]*?\*\//g, "");
  return Object.fromEntries(
    [...withoutComments.matchAll(/^ {2}(\w+)\??: (.*);$/gm)].map(([, member, type]) => [
      member,
      type,
    ]),
  );
}

/** The words of a union of texts. */
export function wordsOf(type) {
  return [...type.matchAll(/"([\w-]+)"/g)].map(([, word]) => word);
}

/** A type of index.d.ts that stands on one line. */
export function typeOf(name) {
  return read("src/js/index.d.ts").match(new RegExp(`^export type ${name} = (.*);$`, "m"))[1];
}

/** The functions that index.d.ts declares. */
export function declaredFunctions() {
  return [...read("src/js/index.d.ts").matchAll(/^export function (\w+)/gm)].map(
    ([, name]) => name,
  );
}
