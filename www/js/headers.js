/** What the page reads out of response headers. */

/**
 * Reads the `dur` values of a Server-Timing header.
 *
 * @param {string | null} header such as `cache;dur=3, execute;dur=812`
 * @returns {Map<string, number>} milliseconds by metric name
 */
export function serverTimings(header) {
  const timings = new Map();
  for (const metric of splitOutsideQuotes(header ?? "", ",")) {
    const [name, ...params] = splitOutsideQuotes(metric, ";").map((part) => part.trim());
    for (const param of params) {
      const value = /^dur\s*=\s*"?([0-9]+(?:\.[0-9]+)?)"?$/i.exec(param);
      if (name && value) {
        timings.set(name, Number(value[1]));
      }
    }
  }
  return timings;
}

/** Splits at a separator, except inside "quoted strings" (with their backslash escapes). */
function splitOutsideQuotes(text, separator) {
  const parts = [""];
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === separator && !quoted) {
      parts.push("");
      continue;
    }
    parts[parts.length - 1] += char;
    if (char === '"') {
      quoted = !quoted;
    } else if (char === "\\" && quoted) {
      at += 1;
      parts[parts.length - 1] += text[at] ?? "";
    }
  }
  return parts;
}
