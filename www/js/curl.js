/** A run written down as a curl command for a POSIX shell. */
import { runPath } from "./api.js";

/**
 * @param {object} run
 * @param {string} run.origin
 * @param {string} run.nodeId
 * @param {object} run.request the JSON body
 * @param {boolean} run.withKey adds the key's header, with a shell variable where the key belongs
 * @returns {string}
 */
export function curlCommand({ origin, nodeId, request, withKey }) {
  const lines = [
    "curl -i",
    shellQuote(`${origin}${runPath(nodeId)}`),
    `-H ${shellQuote("content-type: application/json")}`,
    // Double quotes, so that the shell puts the variable's value in.
    ...(withKey ? ['-H "x-edgememo-api-key: $EDGEMEMO_API_KEY"'] : []),
    `-d ${shellQuote(JSON.stringify(request))}`,
  ];
  return lines.join(" \\\n  ");
}

/** @param {string} text any text; comes out as one word for the shell */
export function shellQuote(text) {
  return /^[A-Za-z0-9_/:.,@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
