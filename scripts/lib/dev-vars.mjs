// What .dev.vars asks for: which store, which model, who may call.
import { existsSync, readFileSync } from "node:fs";
import { parseEnv } from "node:util";

/** @typedef {Record<string, string | undefined>} Vars */

/**
 * The settings of a .dev.vars file; none when there is no file. Empty ones count as not given.
 * @param {string} path
 * @returns {Vars}
 */
export function readDevVars(path) {
  if (!existsSync(path)) return {};
  const vars = parseEnv(readFileSync(path, "utf8"));
  return Object.fromEntries(Object.entries(vars).filter(([, value]) => value !== ""));
}

/** Where a URL leads, without what may be secret in it. @param {string} url */
function hostOf(url) {
  return URL.canParse(url) ? new URL(url).host : "(not a URL)";
}

/** The two pairs of names under which Redis over REST is configured; the first has precedence. */
const REDIS = [
  ["UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN"],
  ["KV_REST_API_URL", "KV_REST_API_TOKEN"],
];

/** @param {Vars} vars */
export function describeStore(vars) {
  for (const [url, token] of REDIS) {
    if (vars[url] && vars[token]) return `Redis at ${hostOf(vars[url])} (.dev.vars)`;
    if (vars[url] || vars[token]) {
      return `INCOMPLETE: ${vars[url] ? token : url} is missing in .dev.vars; runs answer 503`;
    }
  }
  const folder = wantsDemoModel(vars) ? "state-demo" : "state";
  return `embedded; its entries are in .wrangler/${folder} and survive a restart`;
}

/** Whether entries go to a Redis. @param {Vars} vars */
export function usesRedis(vars) {
  return REDIS.some(([url, token]) => vars[url] && vars[token]);
}

/** Whether the demo model stands in for a provider. @param {Vars} vars */
export function wantsDemoModel(vars) {
  return !vars.OPENAI_API_KEY && !vars.OPENAI_URL;
}

/** @param {Vars} vars */
export function describeModel(vars) {
  if (wantsDemoModel(vars)) {
    return "demo model; for a real one set OPENAI_API_KEY in .dev.vars";
  }
  if (!vars.OPENAI_API_KEY) {
    return "INCOMPLETE: OPENAI_API_KEY is missing in .dev.vars; runs answer 503";
  }
  return `${hostOf(vars.OPENAI_URL ?? "https://api.openai.com/v1")} (.dev.vars)`;
}

/** Whether the Worker is told to let everybody on this machine in. @param {Vars} vars */
export function isInsecure(vars) {
  return (vars.EDGEMEMO_INSECURE ?? "true") === "true";
}

/** @param {Vars} vars */
export function describeCallers(vars) {
  if (isInsecure(vars)) return "anybody on this machine, without a key";
  return vars.EDGEMEMO_API_KEYS
    ? "holders of a key of EDGEMEMO_API_KEYS (.dev.vars)"
    : "INCOMPLETE: no EDGEMEMO_API_KEYS in .dev.vars; runs answer 503";
}
