/** The stores of the Worker behind one face, so that the same tests run over all of them. */
import { readdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { startRedis } from "./redis.mjs";
import { startRespFront } from "./resp-front.mjs";
import { startUpstashFront } from "./upstash-front.mjs";

/** Names of the stores, as they stand in test titles: Redis over REST, over RESP, and none. */
export const STORES = ["redis", "resp", "embedded"];

/**
 * @typedef {string | Uint8Array} Content
 * @typedef {object} Store
 * @property {Record<string, string>} env what the Worker is told about it
 * @property {(worker: object) => void} attach called once the Worker runs
 * @property {(key: string) => Promise<string | null>} get
 * @property {(key: string, value: string) => Promise<void>} set
 * @property {(key: string) => Promise<number>} pttl milliseconds, -1 without expiry, -2 without key
 * @property {() => [Content, Content][] | Promise<[Content, Content][]>} dump everything in it, as
 *   keys and values; called when the Worker has ended
 * @property {() => Promise<boolean>} touched whether the Worker ever contacted it
 * @property {() => Promise<void>} reset
 * @property {() => Promise<void>} close
 * @property {object} [front] only of a real Redis: the journal and the faults
 */

/**
 * @param {"redis" | "resp" | "embedded"} kind
 * @param {{key: string, cert: string}} [certificate] makes it RESP over TLS
 * @returns {Store | Promise<Store>}
 */
export function startStore(kind, certificate) {
  if (kind === "embedded") return startEmbeddedStore();
  return startRedisStore(kind === "resp" ? (redis) => overResp(redis, certificate) : overRest);
}

/** Upstash's dialect, and the settings with which the Worker finds it. */
async function overRest(redis) {
  const front = await startUpstashFront(redis);
  return [front, { UPSTASH_REDIS_REST_URL: front.url, UPSTASH_REDIS_REST_TOKEN: front.token }];
}

/** Redis's own protocol, likewise. */
async function overResp(redis, certificate) {
  const front = await startRespFront(redis, certificate);
  return [front, { REDIS_URL: front.url }];
}

/** A real Redis behind a front. Tests look into it past the front and its journal. */
async function startRedisStore(startFront) {
  const redis = await startRedis();
  const [front, env] = await startFront(redis);
  return {
    env,
    front,
    client: redis.client,
    password: redis.password,
    attach() {},
    get: (key) => redis.client.get(key),
    set: async (key, value) => void (await redis.client.set(key, value)),
    pttl: (key) => redis.client.pTTL(key),
    dump: redis.dump,
    touched: async () => front.connections > 0,
    reset: () => front.reset(),
    async close() {
      await front.close();
      await redis.close();
    },
  };
}

/**
 * The Worker's own Durable Objects, reached through the test service in front of them; their files
 * are read once the Worker has ended.
 */
function startEmbeddedStore() {
  let embedded;
  let directory;
  async function command(...parts) {
    const response = await fetch(embedded.url, {
      method: "POST",
      headers: { authorization: `Bearer ${embedded.token}` },
      body: JSON.stringify(parts),
    });
    const { result, error } = await response.json();
    if (error !== undefined) throw new Error(error);
    return result;
  }
  return {
    env: {},
    attach(worker) {
      embedded = worker.embedded;
      directory = worker.persist;
    },
    get: (key) => command("GET", key),
    set: async (key, value) => void (await command("SET", key, value)),
    pttl: (key) => command("PTTL", key),
    dump: () => databasesIn(directory).flatMap(cellsOf),
    touched: async () => (await embedded.shards()).length > 0,
    async reset() {},
    async close() {},
  };
}

function databasesIn(directory) {
  const files = readdirSync(directory, { recursive: true });
  return files.filter((file) => file.endsWith(".sqlite")).map((file) => path.join(directory, file));
}

/** Every cell of every table, whatever the tables look like: [column, content]. */
function cellsOf(file) {
  const database = new DatabaseSync(file);
  function rows(query) {
    const statement = database.prepare(query);
    statement.setReadBigInts(true);
    return statement.all();
  }
  try {
    const tables = rows("SELECT name FROM sqlite_master WHERE type = 'table'");
    return tables.flatMap(({ name }) =>
      rows(`SELECT * FROM "${name}"`).flatMap((row) =>
        Object.entries(row).map(([column, cell]) => [`${name}.${column}`, asContent(cell)]),
      ),
    );
  } finally {
    database.close();
  }
}

const asContent = (cell) => (cell instanceof Uint8Array ? cell : String(cell));
