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

/** The two pairs of names under which Redis over REST is configured. */
const REST = [
  ["UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN"],
  ["KV_REST_API_URL", "KV_REST_API_TOKEN"],
];
/** What says more about the Redis that REDIS_URL or REDIS_HOST names. */
const RESP = ["REDIS_PORT", "REDIS_DB", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_TLS"];

/**
 * @typedef {{url: string, host: string, token: string}} RestRedis
 * @typedef {{host: string, client: import("redis").RedisClientOptions}} RespRedis
 */

/**
 * The Redis that is asked for, over REST or by its own protocol; or what is wrong with the settings, as
 * far as it can be told without asking the Worker, which is stricter.
 * @param {Vars} vars
 * @returns {RestRedis | RespRedis | {problem: string} | undefined}
 */
export function redisOf(vars) {
  const half = REST.find(([url, token]) => !vars[url] !== !vars[token]);
  if (half) return { problem: `${vars[half[0]] ? half[1] : half[0]} is missing` };
  const rest = REST.find(([url]) => vars[url]);
  const resp = ["REDIS_URL", "REDIS_HOST"].find((name) => vars[name]);
  if (rest && resp) return { problem: `${rest[0]} and ${resp} name different stores` };
  if (rest) {
    const [url, token] = rest;
    return { url: vars[url], host: hostOf(vars[url]), token: vars[token] };
  }
  if (resp) return respOf(vars);
  return RESP.some((name) => vars[name]) ? { problem: "REDIS_HOST is missing" } : undefined;
}

/** @param {Vars} vars @returns {RespRedis} */
function respOf(vars) {
  if (vars.REDIS_URL) return { host: hostOf(vars.REDIS_URL), client: { url: vars.REDIS_URL } };
  const [host, port] = [vars.REDIS_HOST, Number(vars.REDIS_PORT ?? 6379)];
  return {
    host: `${host}:${port}`,
    client: {
      socket: { host, port, ...(vars.REDIS_TLS === "true" ? { tls: true } : {}) },
      username: vars.REDIS_USERNAME,
      password: vars.REDIS_PASSWORD,
      database: Number(vars.REDIS_DB ?? 0),
    },
  };
}

/** @param {Vars} vars */
export function describeStore(vars) {
  const redis = redisOf(vars);
  if (redis?.problem) return `INCOMPLETE: ${redis.problem} in .dev.vars; runs answer 503`;
  const memory =
    Number(vars.CACHE_MEMORY_MB) > 0 ? `, behind ${vars.CACHE_MEMORY_MB} MiB of memory` : "";
  if (redis)
    return `Redis at ${redis.host}${redis.client ? ", over TCP" : ""} (.dev.vars)${memory}`;
  return `embedded; its entries are in ${stateFolder(vars)} and survive a restart${memory}`;
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
  return redisOf(vars)?.host !== undefined;
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
