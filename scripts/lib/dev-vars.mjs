// What .dev.vars asks for: which store, which model, who may call.
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, parseEnv } from "node:util";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

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

/**
 * What `make dev` and `make purge` go by: the options of the command line as they were given, the
 * settings, and the folder of the embedded store.
 * @returns {{options: {vars?: string, state?: string}, vars: Vars, state: string}}
 */
export function readLocal() {
  const { values: options } = parseArgs({
    options: { vars: { type: "string" }, state: { type: "string" } },
  });
  const vars = readDevVars(resolve(options.vars ?? `${ROOT}/.dev.vars`));
  return { options, vars, state: resolve(options.state ?? `${ROOT}/${stateFolder(vars)}`) };
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

/**
 * The Redis that is asked for: where it is, or the setting that is missing for it.
 * @param {Vars} vars
 * @returns {{url: string, host: string, token: string, missing?: undefined} | {missing: string} | undefined}
 */
export function redisOf(vars) {
  for (const [url, token] of REDIS) {
    if (vars[url] && vars[token]) {
      return { url: vars[url], host: hostOf(vars[url]), token: vars[token] };
    }
    if (vars[url] || vars[token]) return { missing: vars[url] ? token : url };
  }
  return undefined;
}

/** @param {Vars} vars */
export function describeStore(vars) {
  const redis = redisOf(vars);
  if (redis?.missing)
    return `INCOMPLETE: ${redis.missing} is missing in .dev.vars; runs answer 503`;
  if (redis) return `Redis at ${redis.host} (.dev.vars)`;
  return `embedded; its entries are in ${stateFolder(vars)} and survive a restart`;
}

/**
 * The embedded store's folder, in the project's. What the demo model said is never served in the name of
 * a real one.
 * @param {Vars} vars
 */
function stateFolder(vars) {
  return wantsDemoModel(vars) ? ".wrangler/state-demo" : ".wrangler/state";
}

/** Whether entries go to a Redis. @param {Vars} vars */
export function usesRedis(vars) {
  return redisOf(vars)?.token !== undefined;
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
