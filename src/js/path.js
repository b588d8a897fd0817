// Where something is in a value, as a JSONPath: `$.messages[0]['file name']`.

const ESCAPES = {
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\f": "\\f",
  "\r": "\\r",
  "'": "\\'",
  "\\": "\\\\",
};

/** @param {(string | number)[]} steps the names of members and the indices of elements, from the root */
export function pathOf(steps) {
  return `$${steps.map((step) => (typeof step === "number" ? `[${step}]` : member(step))).join("")}`;
}

/** The step to a member. `explain` writes them in the same way, which is that of RFC 9535. */
function member(name) {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return `.${name}`;
  const escaped = name.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is escaped
    /[\u0000-\u001f'\\]|\p{Surrogate}/gu,
    (unit) => ESCAPES[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `['${escaped}']`;
}

/**
 * The path of what stands at a place in a JSON text.
 * @param {string} json as `jsonText` writes it, without white space
 * @param {number} position in bytes of UTF-8; the start of a value, or inside a string or name
 */
export function pathAt(json, position) {
  const before = new TextEncoder().encode(json).subarray(0, position);
  const end = new TextDecoder().decode(before).length;
  /** Of each array that is open the index, of each object the name of the member. */
  const steps = [];
  for (let at = 0; at <= end; at += 1) {
    const last = steps.length - 1;
    switch (json[at]) {
      case '"': {
        const start = at;
        for (at += 1; json[at] !== '"'; at += 1) if (json[at] === "\\") at += 1;
        // Only a name is followed by a colon.
        if (json[at + 1] === ":") steps[last] = JSON.parse(json.slice(start, at + 1));
        break;
      }
      case "[":
      case "{":
        if (at < end) steps.push(0);
        break;
      case "]":
      case "}":
        steps.pop();
        break;
      case ",":
        if (typeof steps[last] === "number") steps[last] += 1;
        break;
    }
  }
  return pathOf(steps);
}
