/**
 * Starts a built Worker on workerd, configured by wrangler.toml: class names, compatibility date,
 * migrations and assets are those that ship. Only the environment is the test's own, and a
 * developer's `.dev.vars` is never read.
 */
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { unstable_getMiniflareWorkerOptions, unstable_readConfig } from "wrangler";
import { Recorder, secret } from "./canary.mjs";
import { send } from "./http.mjs";

export const root = fileURLToPath(new URL("../..", import.meta.url));
const support = fileURLToPath(new URL(".", import.meta.url));
const wranglerToml = path.join(root, "wrangler.toml");
const EMBEDDED_FRONT = "embedded-front";
const EMBEDDED_CLASS = "EmbeddedShard";

/** What may never stand in a log: each means that a request was lost. */
const ALARMS =
  /panicked at|unreachable executed|uncaught exception|would never generate a response/i;

/** Miniflare's own messages, kept instead of printed. */
class RecordedLog extends Log {
  #keep;
  constructor(keep) {
    super(LogLevel.DEBUG);
    this.#keep = keep;
  }
  log(message) {
    this.#keep(message);
  }
}

/**
 * @param {object} options
 * @param {Record<string, string>} [options.env] settings of the Worker
 * @param {string} [options.main] another module than the built Worker (for tests of the harness)
 * @param {string} [options.assets] another directory than the shipped `www/`
 * @param {string} [options.persist] directory in which the embedded store survives a restart
 * @param {Recorder} [options.recorder]
 */
export async function startWorker(options = {}) {
  const { env = {}, main, assets, persist, recorder = new Recorder() } = options;
  const alarms = [];
  const keepLog = (place) => (message) => {
    recorder.record(`log of ${place}`, message);
    if (ALARMS.test(message)) alarms.push(message);
  };
  const keepWorkerLog = keepLog("the Worker");
  const embeddedToken = secret("embedded-front-token");
  const { name, worker } = shippedOptions(assets);
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port: 0,
      cf: false,
      telemetry: { enabled: false },
      // Without this workerd keeps exceptions nobody caught to itself.
      verbose: true,
      unsafeInspectDurableObjects: true,
      log: new RecordedLog(keepLog("Miniflare")),
      handleStructuredLogs: ({ level, message }) => keepWorkerLog(`${level}: ${message}`),
      ...(persist ? { resourcePersistencePath: persist } : {}),
      workers: [
        {
          ...worker,
          name,
          bindings: { ...worker.bindings, ...env },
          ...modulesOf(main ?? builtWorker()),
        },
        embeddedFront(name, worker.compatibilityDate, embeddedToken),
      ],
    }),
  );
  const url = await miniflare.ready;
  return {
    url,
    recorder,
    /** Sends a request to the Worker; see `send` in http.mjs. */
    send: (target, request) => send(url, recorder, target, request),
    /** Where a client of Upstash's dialect finds the embedded store. */
    embedded: {
      url: (await miniflare.unsafeGetDirectURL(EMBEDDED_FRONT)).href,
      token: embeddedToken,
      /** How many shards were ever touched. */
      touched: async () => (await miniflare.listDurableObjectIds(EMBEDDED_CLASS, name)).length,
      dump: () => dumpShards(miniflare, name),
    },
    async close() {
      await miniflare.dispose();
      if (alarms.length > 0) throw new Error(`the Worker broke down: ${alarms.join("\n")}`);
    },
  };
}

/** The options wrangler derives from wrangler.toml, with its `vars` and without `.dev.vars`. */
function shippedOptions(assets) {
  const config = unstable_readConfig({ config: wranglerToml }, { hideWarnings: true });
  const { workerOptions } = unstable_getMiniflareWorkerOptions(wranglerToml, undefined, {
    envFiles: [path.join(support, "no-such-file")],
    overrides: assets ? { assets: { directory: assets } } : {},
  });
  const { modulesRules: _rules, bindings: _bindings, ...rest } = workerOptions;
  return { name: config.name, worker: { ...rest, bindings: config.vars } };
}

function builtWorker() {
  const main = path.join(root, "build", "index.js");
  if (!existsSync(main)) throw new Error(`${main} does not exist: build the Worker first`);
  return main;
}

/** The module and the WebAssembly beside it. */
function modulesOf(main) {
  const directory = path.dirname(main);
  const wasm = readdirSync(directory).filter((file) => file.endsWith(".wasm"));
  return {
    modulesRoot: directory,
    modules: [
      { type: "ESModule", path: main },
      ...wasm.map((file) => ({ type: "CompiledWasm", path: path.join(directory, file) })),
    ],
  };
}

/** A service of the tests that lets clients of Upstash's dialect reach the embedded store. */
function embeddedFront(scriptName, compatibilityDate, token) {
  return {
    name: EMBEDDED_FRONT,
    compatibilityDate,
    ...modulesOf(path.join(support, "fixtures", "embedded-front.mjs")),
    bindings: { TOKEN: token },
    durableObjects: {
      EMBEDDED: { className: EMBEDDED_CLASS, scriptName, useSQLite: true },
    },
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  };
}

/** Every cell of every table of every shard, whatever the tables look like: [column, content]. */
async function dumpShards(miniflare, scriptName) {
  const cells = [];
  for (const id of await miniflare.listDurableObjectIds(EMBEDDED_CLASS, scriptName)) {
    const shard = await miniflare.unsafeGetDurableObjectStorage(scriptName, EMBEDDED_CLASS, { id });
    for (const { name } of await shard.exec(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 4) <> '_cf_'",
    )) {
      for (const row of await shard.exec(`SELECT * FROM "${name}"`)) {
        for (const [column, cell] of Object.entries(row)) cells.push([`${name}.${column}`, cell]);
      }
    }
  }
  return cells.map(([column, cell]) => [column, asContent(cell)]);
}

function asContent(cell) {
  return cell instanceof ArrayBuffer || ArrayBuffer.isView(cell) ? Buffer.from(cell) : String(cell);
}
