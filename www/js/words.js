/** Numbers and reasons, in words. */

/** @param {number} ms */
export function duration(ms) {
  if (ms < 9.95) {
    return `${Number(ms.toFixed(1))} ms`;
  }
  return ms < 999.5 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/**
 * Compares a miss with a hit on the same key.
 *
 * @param {number} missMs
 * @param {number} hitMs
 * @returns {{factor: string, words: string}} `12×` and `12 times faster than the miss`
 */
export function comparison(missMs, hitMs) {
  const times = missMs / Math.max(hitMs, 0.1);
  if (times < 1.05) {
    return { factor: "1×", words: "not faster than the miss this time" };
  }
  const shown = times < 9.95 ? times.toFixed(1) : String(Math.round(times));
  return { factor: `${shown}×`, words: `${shown} times faster than the miss` };
}

const EXECUTED = "so the node executed";
const ASKED = "Another run asked the same at the same time";
const NO_KEY = "there is no canonical key, so the node executed and the cache was not asked.";

/** Every `cache.reason` of a run, said to a person. */
const REASONS = new Map([
  [
    "no-cache-config",
    "The run did not send config.cache: the node executed and the cache was not asked.",
  ],
  ["caching-disabled", "The node’s switch is off: the node executed and the cache was not asked."],
  ["duplicate-name", `Two members have one name: ${NO_KEY}`],
  ["lone-surrogate", `A text has half of a surrogate pair: ${NO_KEY}`],
  ["number-too-long", `A number has over 4300 digits: ${NO_KEY}`],
  ["exponent-out-of-range", `A number’s exponent is beyond ±999999: ${NO_KEY}`],
  ["memory", "The answer was in the Worker’s memory: Redis was not asked."],
  ["collapsed", `${ASKED}: this one waited for it, and ends as it did.`],
  ["single-flight-timeout", `${ASKED} and took too long, ${EXECUTED}.`],
  ["single-flight-not-shared", `${ASKED}, but its answer could not be shared, ${EXECUTED}.`],
  [
    "stale-while-revalidate",
    "The stored answer is older than its ttl: it was served, and a new one is made after the response.",
  ],
  [
    "stale-if-error",
    "The node failed: the last good answer was served, though it is older than its ttl.",
  ],
  ["redis-unreachable", `Redis could not be reached, ${EXECUTED}.`],
  ["redis-timeout", `Redis did not answer in time, ${EXECUTED}.`],
  ["redis-unauthorized", `Redis refused the Worker’s token or password, ${EXECUTED}.`],
  ["redis-database", `Redis refused the number of the database, ${EXECUTED}.`],
  ["redis-error", `Redis answered with an error, ${EXECUTED}.`],
  ["redis-busy", `Redis takes no more requests for now, ${EXECUTED}.`],
  ["redis-bad-reply", `What answered did not speak like Redis, ${EXECUTED}.`],
  [
    "redis-circuit-open",
    "Redis kept failing and is left alone for a few seconds: the node executed without it.",
  ],
  ["value-too-large", `The stored value is longer than what is read, ${EXECUTED}.`],
  ["wrong-type", `The key holds something other than a string, ${EXECUTED}.`],
  ["not-base64", `The stored value is not Base64, ${EXECUTED}.`],
  ["not-utf8", `The stored value is not UTF-8 text, ${EXECUTED}.`],
  ["not-json", `The stored value is not JSON, ${EXECUTED}.`],
  ["not-envelope", `The stored value is not an envelope of a known version, ${EXECUTED}.`],
  ["null-value", `The stored value is null, ${EXECUTED}.`],
  ["ttl-zero", "A ttl of 0 keeps nothing: the node executed and its answer was not stored."],
  ["fallback", "The node failed, and another answered for it: that answer was not stored."],
]);

/** @param {string | null | undefined} reason */
export function reasonInWords(reason) {
  return reason ? (REASONS.get(reason) ?? `Reason: ${reason}.`) : "";
}
