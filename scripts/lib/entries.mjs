// A node's entries under keys of the scheme `dynamiq`, in the store that `make dev` uses: how many
// there are, and away with them.
import { globSync } from "node:fs";
import { join } from "node:path";
import { redisOf } from "./dev-vars.mjs";

/** What ends such a key: the hashes of the input and of the keywords. */
const HASHES = /:[0-9a-f]{64}:[0-9a-f]{64}$/;
/** How many entries are counted; more are "at least" as many. */
const MAX_COUNT = 10_000;
/** How long a Redis has for a whole count, and for each answer to a purge. */
const COUNT_MS = 3_000;
const PURGE_MS = 10_000;

/** A store that did not answer; the message has no secret in it. */
export class StoreError extends Error {}

/**
 * Whether a key is of a node: `{id}:{hash}:{hash}`, after a namespace and a colon when there is one.
 *
 * Namespaces and ids may hold colons, so `a:b:…` is a key of the node `b` in the namespace `a` as well as
 * one of the node `a:b`: the very same key, and no rule can tell. It counts for both. One entry too many
 * that is purged costs an execution; one too few goes on serving an old output.
 *
 * @param {string} key @param {string} id
 */
export function isEntryOf(key, id) {
  if (!HASHES.test(key)) return false;
  const names = key.replace(HASHES, "");
  return names === id || names.endsWith(`:${id}`);
}

/**
 * @typedef {object} Entries
 * @property {string} name of the store; no other store has it, and nothing in it is secret
 * @property {(id: string) => Promise<{count: number, all: boolean}>} count the entries of a node, and
 *   whether these are all
 * @property {(id: string) => Promise<number>} purge deletes them and says how many there were
 */

/**
 * The entries in the store that the settings choose; undefined when the settings are not complete.
 * @param {import("./dev-vars.mjs").Vars} vars @param {string} state folder
 * @returns {Entries | undefined}
 */
export function entriesOf(vars, state) {
  const redis = redisOf(vars);
  if (!redis) return embeddedEntries(state);
  if (redis.problem) return undefined;
  const ask = redis.client
    ? (...asked) => askOverResp(redis, ...asked)
    : (...asked) => askOverRest(redis, ...asked);
  return redisEntries(`Redis at ${redis.host}`, ask);
}

/**
 * The embedded store: the SQLite files in which workerd keeps the Durable Objects. workerd lets others
 * in while it runs. What it adds up in memory for the byte cap then counts the rows deleted here too,
 * until the object sleeps.
 * @param {string} state folder
 * @returns {Entries}
 */
function embeddedEntries(state) {
  /** @param {string} id @param {(database: object, keys: string[]) => void} [act] */
  async function find(id, act) {
    const { DatabaseSync } = await import("node:sqlite");
    const files = globSync("v3/do/*-EmbeddedShard/*.sqlite", { cwd: state });
    let count = 0;
    for (const file of files) {
      const database = new DatabaseSync(join(state, file));
      try {
        database.exec("PRAGMA busy_timeout = 2000");
        const tables = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'entries'");
        if (!tables.get()) continue;
        const living = database
          .prepare("SELECT key FROM entries WHERE expires_at IS NULL OR expires_at > ?")
          .all(Date.now());
        const keys = living.map(({ key }) => key).filter((key) => isEntryOf(key, id));
        act?.(database, keys);
        count += keys.length;
      } catch (error) {
        throw new StoreError(`${file} could not be read: ${error.message}`);
      } finally {
        database.close();
      }
    }
    return count;
  }
  return {
    name: "embedded store",
    count: async (id) => ({ count: await find(id), all: true }),
    purge: (id) =>
      find(id, (database, keys) => {
        if (keys.length === 0) return;
        const remove = database.prepare("DELETE FROM entries WHERE key = ?");
        database.exec("BEGIN IMMEDIATE");
        for (const key of keys) remove.run(key);
        database.exec("COMMIT");
      }),
  };
}

/**
 * One command to a Redis behind Upstash's REST dialect.
 * @param {import("./dev-vars.mjs").RestRedis} redis @param {string[]} command @param {AbortSignal} signal
 */
async function askOverRest({ url, host, token }, command, signal) {
  let response;
  try {
    response = await fetch(`${url.replace(/\/+$/, "")}/`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(command),
      // The token is for this host alone.
      redirect: "error",
      signal,
    });
    const { result } = response.ok ? await response.json() : {};
    if (result !== undefined) return result;
  } catch {
    // The reasons name the URL, which may have a secret in it.
    throw new StoreError(`Redis at ${host} could not be asked`);
  }
  throw new StoreError(`Redis at ${host} answered ${response.status} to ${command[0]}`);
}

/**
 * One command to a Redis by its own protocol.
 * @param {import("./dev-vars.mjs").RespRedis} redis @param {string[]} command @param {AbortSignal} signal
 */
async function askOverResp({ host, client: options }, command, signal) {
  let client;
  try {
    const { createClient } = await import("redis");
    client = createClient({ ...options, socket: { ...options.socket, reconnectStrategy: false } });
    client.on("error", () => {});
    signal.addEventListener("abort", () => client.destroy());
    await client.connect();
    return await client.sendCommand(command);
  } catch {
    throw new StoreError(`Redis at ${host} could not be asked`);
  } finally {
    if (client?.isOpen) client.destroy();
  }
}

/**
 * A Redis. Counting ends in time, whatever Redis does; purging goes on for as long as each answer comes
 * in time.
 * @param {string} name
 * @param {(command: string[], signal: AbortSignal) => Promise<unknown>} ask
 * @returns {Entries}
 */
function redisEntries(name, ask) {
  /** @param {string[]} command @param {number} until when it has to be answered, as Date.now() counts */
  async function send(command, until) {
    const controller = new AbortController();
    const late = Promise.withResolvers();
    const timer = setTimeout(() => {
      late.reject(new StoreError(`${name} did not answer in time`));
      controller.abort();
    }, until - Date.now());
    try {
      // Once the headers are there, fetch can lose its signal to the garbage collector.
      return await Promise.race([ask(command, controller.signal), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * The keys of a node, page by page; a page may repeat keys.
   * @param {string} id @param {() => number} until see `send`
   */
  async function* pages(id, until) {
    const hash = "?".repeat(64);
    const pattern = `*${id.replace(/[\\*?[\]]/g, "\\$&")}:${hash}:${hash}`;
    let cursor = "0";
    do {
      const page = await send(["SCAN", cursor, "MATCH", pattern, "COUNT", "1000"], until());
      if (!Array.isArray(page) || !Array.isArray(page[1])) {
        throw new StoreError(`${name} answered SCAN with something else than a page of keys`);
      }
      yield page[1].filter((key) => isEntryOf(String(key), id));
      cursor = String(page[0]);
    } while (cursor !== "0");
  }

  return {
    name,
    async count(id) {
      const keys = new Set();
      const end = Date.now() + COUNT_MS;
      try {
        for await (const page of pages(id, () => end)) {
          for (const key of page) keys.add(key);
          if (keys.size >= MAX_COUNT) return { count: MAX_COUNT, all: false };
        }
      } catch (error) {
        // What was found until then is enough to know that there are some.
        if (keys.size === 0) throw error;
        return { count: keys.size, all: false };
      }
      return { count: keys.size, all: true };
    },
    async purge(id) {
      let count = 0;
      for await (const page of pages(id, () => Date.now() + PURGE_MS)) {
        if (page.length === 0) continue;
        count += Number(await send(["DEL", ...page], Date.now() + PURGE_MS));
      }
      return count;
    },
  };
}
