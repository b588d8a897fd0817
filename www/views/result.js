/** One run as a card in the result list. */
import { fill, stamp } from "../js/dom.js";
import { serverTimings } from "../js/headers.js";
import { duration, reasonInWords } from "../js/words.js";

/** The badge's word and the class that gives its colour and shape. */
const BADGES = { hit: "HIT", miss: "MISS", stale: "STALE", bypass: "BYPASS", failed: "FAILED" };

/**
 * @typedef {object} Run
 * @property {number} number
 * @property {string} nodeName
 * @property {string} signature equal for runs that share a cache key
 * @property {number} ms from sending the request to having the whole answer, in this browser
 * @property {import("../js/api.js").Answer | null} answer
 * @property {import("../js/api.js").Problem | null} problem what came in place of an answer
 */

/** @param {Run} run @returns {"hit" | "miss" | "stale" | "bypass" | "failed"} */
export function kindOf(run) {
  const result = run.answer?.result;
  if (result?.status !== "success") {
    return "failed";
  }
  const status = result.cache?.status;
  return Object.hasOwn(BADGES, status) ? status : "miss";
}

/** True for a miss that was nothing but a miss: one whose lookup failed, or that waited for another, is none. */
export function isPlainMiss(run) {
  return kindOf(run) === "miss" && !run.answer.result.cache?.reason;
}

/** @param {Run} run @returns {string} what went wrong, in a sentence or two */
export function failureInWords(run) {
  if (run.problem) {
    const { title, detail, status, code } = run.problem;
    return sentences(title, detail, status ? `(HTTP ${status}, ${code})` : "");
  }
  const error = run.answer.result.error;
  const place = `(HTTP ${run.answer.httpStatus}, ${error?.type ?? "no error type"})`;
  return sentences(error?.message ?? "The run failed without saying why", place);
}

/** Joins parts with spaces, and ends a part with a full stop where it brought no end of its own. */
function sentences(...parts) {
  return parts
    .filter(Boolean)
    .map((part) => (/[.!?:)]$/.test(part) ? part : `${part}.`))
    .join(" ");
}

/** @param {Run} run @returns {HTMLLIElement} */
export function resultCard(run) {
  const card = stamp("result-card");
  const kind = kindOf(run);
  const result = run.answer?.result;
  const timings = serverTimings(run.answer?.serverTiming ?? null);
  card.classList.add(`is-${kind}`);
  card.dataset.kind = kind;
  fill(card, {
    badge: BADGES[kind],
    title: `Run ${run.number}: ${run.nodeName}`,
    took: duration(run.ms),
    output: kind === "failed" ? failureInWords(run) : outputText(result.output),
    why: reasonInWords(result?.cache?.reason),
    browser: duration(run.ms),
    cache: serverDuration(timings.get("cache")) ?? "not asked",
    execute: serverDuration(timings.get("execute")) ?? "not executed",
    "cache-status": run.answer?.cacheStatus ?? "none",
    key: result?.cache?.key ?? (kind === "bypass" ? "none" : "not shown"),
  });
  breakAtSeparators(card.querySelector('[data-slot="cache-status"]'));
  breakAtSeparators(card.querySelector('[data-slot="key"]'));
  card.querySelector("dl").hidden = run.problem !== null;
  return card;
}

/** A Worker's clock counts whole milliseconds: its 0 is no measurement. */
function serverDuration(ms) {
  return ms === 0 ? "under 1 ms" : ms && duration(ms);
}

/** Lets a key wrap between its parts before it wraps inside one; the text itself stays the same. */
function breakAtSeparators(place) {
  const parts = place.textContent.split(/(?<=[:;])/);
  place.replaceChildren(...parts.flatMap((part) => [part, document.createElement("wbr")]));
}

/** An LLM node's output is `{"content": "…"}`; another node's is shown as the JSON that it is. */
function outputText(output) {
  if (typeof output?.content === "string") {
    return output.content === "" ? "(an empty answer)" : output.content;
  }
  return JSON.stringify(output, null, 2);
}
