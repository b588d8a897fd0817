/**
 * An error as the wasm module throws them: `name`, a stable `code`, and a message that says what to
 * do. It never holds a value, since inputs are private.
 * @param {string} code
 * @param {string} message
 * @param {{path?: string}} [more]
 */
export function edgememoError(code, message, more) {
  return Object.assign(new Error(message), { name: "EdgememoError", code, ...more });
}
