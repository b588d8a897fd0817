// Text on its way to wasm, which takes well-formed Unicode only.
import { edgememoError } from "./error.js";

/** A surrogate without its other half. */
const LONE = /\p{Surrogate}/u;

/** @param {string} text */
export function isWellFormed(text) {
  // String.prototype.isWellFormed is younger than Node.js 18.
  return typeof text.isWellFormed === "function" ? text.isWellFormed() : !LONE.test(text);
}

/**
 * JSON text in which lone surrogates are written as the escapes that denote them.
 * @param {string} text
 * @param {string} part what the text is, for messages
 */
export function wellFormedJson(text, part) {
  if (isWellFormed(text)) return text;
  return text.replace(/\p{Surrogate}/gu, (lone, at) => {
    // A backslash before it starts an escape that does not exist: an error, which has to stay one.
    if (backslashesBefore(text, at) % 2 === 1) return "\ufffd";
    // Two halves of which only one was an escape are no pair, but would be one as two escapes.
    const joins = isHigh(lone)
      ? /^\\u[dD][c-fC-F]/.test(text.slice(at + 1, at + 5))
      : /\\u[dD][89abAB][\da-fA-F]{2}$/.test(text.slice(Math.max(at - 6, 0), at)) &&
        backslashesBefore(text, at - 6) % 2 === 0;
    if (joins) {
      const message = `${part}: a lone surrogate stands beside the escape of another; write both as characters or both as escapes`;
      throw edgememoError("lone-surrogate", message);
    }
    return `\\u${lone.charCodeAt(0).toString(16)}`;
  });
}

function isHigh(surrogate) {
  return surrogate.charCodeAt(0) < 0xdc00;
}

function backslashesBefore(text, at) {
  let count = 0;
  while (text[at - 1 - count] === "\\") count += 1;
  return count;
}
