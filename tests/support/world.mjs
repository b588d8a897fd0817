/**
 * A world: one Worker with its store, its upstream and its callers, and a recorder of everything
 * that comes out. Closing a world searches that for secrets (see canary.mjs), so each group of
 * tests ends with that check whether it thinks of it or not.
 */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, beforeEach, describe } from "node:test";
import { Recorder, secret } from "./canary.mjs";
import { describeOverRedis } from "./redis.mjs";
import { STORES, startStore } from "./stores.mjs";
import { startUpstream } from "./upstream.mjs";
import { startWorker } from "./worker.mjs";

const runPath = (node) => `/v1/nodes/${node}/run`;
export const RUN = runPath("summarizer");
const GROUP_MS = 60_000;
const WRITE_MS = 3_000;

/**
 * The same tests over a real Redis and over the embedded store.
 * @param {string} title
 * @param {object} options see `World`
 * @param {(world: World) => void} define registers the tests
 */
export function overBothStores(title, options, define) {
  for (const store of ["redis", "embedded"]) withWorld(title, { ...options, store }, define);
}

/** The same tests over every store and every way to it: for what the cache itself promises. */
export function overAllStores(title, options, define) {
  for (const store of STORES) withWorld(title, { ...options, store }, define);
}

/** Tests in a world of their own, which may take a minute, or `timeout` milliseconds. */
export function withWorld(title, { timeout = GROUP_MS, ...options }, define) {
  const { store = "redis" } = options;
  const group = store === "embedded" ? describe : describeOverRedis;
  group(`${title} [store: ${store}]`, { timeout }, () => {
    const world = new World({ ...options, store });
    before(() => world.start());
    beforeEach(() => world.reset());
    after(() => world.close());
    define(world);
  });
}

/** @typedef {Record<string, string | undefined>} Settings */

export class World {
  /** Callers by name: a key, the namespaces it may use. */
  keys = { team: secret("team-key"), everyone: secret("everyone-key") };
  #options;
  #scratch;

  /**
   * @param {object} options
   * @param {"redis" | "resp" | "embedded"} [options.store]
   * @param {{key: string, cert: string}} [options.certificate] of the store `resp`
   * @param {Settings | ((world: World) => Settings)} [options.env] over the usual settings;
   *   undefined takes a setting away
   * @param {"shipped" | "tests"} [options.workflows]
   * @param {boolean} [options.ai]
   * @param {boolean | "local"} [options.metrics]
   * @param {boolean} [options.writesHang] of the store `embedded`
   * @param {string} [options.assets]
   * @param {string} [options.persist]
   * @param {string} [options.main]
   */
  constructor(options) {
    this.#options = options;
  }

  /** What was started before a failure is ended again, or the test process would never end. */
  async start() {
    try {
      await this.#start();
    } catch (error) {
      await this.#end();
      this.worker = undefined;
      throw error;
    }
  }

  async #start() {
    const { store = "redis", certificate, env = {} } = this.#options;
    this.recorder = new Recorder();
    this.#scratch = await mkdtemp(path.join(tmpdir(), "edgememo-test-"));
    this.upstream = await startUpstream();
    this.store = await startStore(store, certificate);
    const settings = {
      OPENAI_API_KEY: this.upstream.key,
      OPENAI_URL: this.upstream.url,
      EDGEMEMO_API_KEYS: JSON.stringify([
        apiKey("team", this.keys.team, ["my-app"]),
        apiKey("everyone", this.keys.everyone, ["*"]),
      ]),
      ...this.store.env,
      ...(typeof env === "function" ? env(this) : env),
    };
    this.settings = Object.fromEntries(
      Object.entries(settings).filter(([, value]) => value !== undefined),
    );
    this.worker = await this.#startWorker(this.#options.persist ?? this.#scratch);
    this.store.attach(this.worker);
  }

  #startWorker(persist) {
    const { store, certificate, env, persist: _, ...worker } = this.#options;
    return startWorker({ ...worker, env: this.settings, persist, recorder: this.recorder });
  }

  /** Another process with the same settings, over the same Redis. Whoever starts it ends it. */
  async startAnother() {
    return this.#startWorker(await mkdtemp(path.join(this.#scratch, "another-")));
  }

  async reset() {
    this.upstream.reset();
    await this.store.reset();
  }

  /** Ends everything and searches what was collected; a find is an error. */
  async close() {
    if (!this.worker) return;
    try {
      await this.worker.close();
      await this.#recordStore();
    } finally {
      await this.#end();
    }
    this.recorder.assertClean();
    this.worker.assertSound();
  }

  async #end() {
    await Promise.all([this.upstream?.close(), this.store?.close()]);
    await rm(this.#scratch, { recursive: true, force: true });
  }

  async #recordStore() {
    for (const [key, value] of await this.store.dump()) {
      this.recorder.record("key in the store", key);
      this.recorder.recordStored("value in the store", value);
    }
  }

  /** Sends a request as it is: no key, no type. */
  send(path, request) {
    return this.worker.send(path, request);
  }

  /**
   * Runs a node with a body (an object, or text as it is), by default the summarizer, as the caller
   * whose key reaches the namespace my-app only. `worker` is another process than the world's.
   */
  run(body, { node = "summarizer", ...rest } = {}) {
    return this.post(runPath(node), body, rest);
  }

  /** Runs a workflow, likewise. */
  runWorkflow(workflow, body, rest) {
    return this.post(`/v1/workflows/${workflow}/run`, body, rest);
  }

  post(path, body, { key = this.keys.team, headers = {}, worker = this.worker, ...rest } = {}) {
    return worker.send(path, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(key ? { authorization: `Bearer ${key}` } : {}),
        ...headers,
      },
      body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
      ...rest,
    });
  }

  /** Waits for the write that comes after a response, and returns what was stored. */
  async stored(key) {
    const patience = AbortSignal.timeout(WRITE_MS);
    while (!patience.aborted) {
      const value = await this.store.get(key);
      if (value !== null) return value;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`nothing was stored under ${key} within ${WRITE_MS} ms`);
  }

  /** The lines of that event in the Worker's log so far, parsed. */
  logged(event) {
    const lines = this.recorder.texts("log of the Worker");
    return lines
      .filter((line) => line.includes(`{"event":"${event}"`))
      .map((line) => JSON.parse(line.slice(line.indexOf("{"))));
  }

  /** Waits for the line of a run, which comes after its write. */
  async loggedRun(runId) {
    const patience = AbortSignal.timeout(WRITE_MS);
    while (!patience.aborted) {
      const line = this.logged("run").find((line) => line.run_id === runId);
      if (line) return line;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`the run was not logged within ${WRITE_MS} ms`);
  }

  /** Waits for the data points of so many runs, by default one, and returns them in their order. */
  async points(count = 1) {
    const patience = AbortSignal.timeout(WRITE_MS);
    let points = await this.worker.points();
    while (!patience.aborted && points.length < count) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      points = await this.worker.points();
    }
    if (points.length < count) throw new Error(`${points.length} data points, not ${count}`);
    return points;
  }

  /**
   * Waits until writes that earlier responses scheduled are done: another run's write, scheduled
   * later, has landed. After this the absence of an entry means something.
   */
  async settle() {
    const text = uniqueText();
    const { json } = await this.run(cached(text));
    await this.stored(json.cache.key);
  }
}

/** An entry of EDGEMEMO_API_KEYS. */
export function apiKey(id, key, namespaces, admin = false) {
  const sha256 = createHash("sha256").update(key).digest("hex");
  return { id, sha256, namespaces, admin };
}

/** The body of a run with both switches on. */
export function cached(text, cache = { namespace: "my-app", ttl: 3600 }) {
  return { input: { text }, config: { cache } };
}

let texts = 0;

/** A text that no other test of this process uses, so that tests share a store in peace. */
export function uniqueText() {
  texts += 1;
  return `text number ${texts}`;
}

const NO_KWARGS = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/** The key of a summarizer run whose text is printable ASCII without quotes and backslashes. */
export function keyOf(text, namespace = "my-app") {
  const input = createHash("sha256").update(`{"text": "${text}"}`).digest("hex");
  return `${namespace}:summarizer:${input}:${NO_KWARGS}`;
}

/** The stored form of an output. */
export function base64(text) {
  return Buffer.from(text).toString("base64");
}
