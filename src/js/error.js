/** How much of a path or a name a message holds. */
const MAX_QUOTED = 200;

/**
 * An error as the wasm module throws them: `name`, a stable `code`, and a message that says what to
 * do. It holds no value, since inputs are private; names of members it may hold.
 * @param {string} code
 * @param {string} message
 * @param {{path?: string}} [more]
 */
export function edgememoError(code, message, more) {
  return Object.assign(new Error(message), { name: "EdgememoError", code, ...more });
}

/**
 * What others chose (a path, a name), in the length that a message has for it.
 * @param {string} text
 */
export function shortened(text) {
  if (text.length <= MAX_QUOTED) return text;
  // Not between the halves of a pair.
  return `${text.slice(0, MAX_QUOTED - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}
