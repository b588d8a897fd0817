/**
 * Starts a built Worker on workerd, configured by wrangler.toml: class names, compatibility date,
 * migrations and assets are those that ship. Only the environment is the test's own, and a
 * developer's `.dev.vars` is never read.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { unstable_getMiniflareWorkerOptions, unstable_readConfig } from "wrangler";
import { secret } from "./canary.mjs";
import { send } from "./http.mjs";
import { root } from "./root.mjs";

const support = fileURLToPath(new URL(".", import.meta.url));
const wranglerToml = path.join(root, "wrangler.toml");
const EMBEDDED_FRONT = "embedded-front";
const EMBEDDED_CLASS = "EmbeddedShard";
const AI_STUB = "ai-stub";
const METRICS_STUB = "metrics-stub";
const HANGING_SHARD = "hanging-shard";

/** As in wrangler.toml. */
const EMBEDDED = { className: EMBEDDED_CLASS, useSQLite: true };

/** As in wrangler.toml, once metrics are switched on there. */
const analyticsEngineDatasets = { METRICS: { dataset: "edgememo" } };

/**
 * What may never stand in a log: each means that a request or a write was lost. With verbose
 * logging workerd also reports connections that a peer dropped, bodies that nobody read to their end,
 * and the failures of the stubs of Workers AI and of Analytics Engine, which tests do on purpose.
 */
const ALARMS = /panicked at|unreachable executed|uncaught exception|never generate a response/i;
const EXPECTED =
  /connection lost|disconnected:|after response has been sent|at default\.\w+ .*(ai|metrics)-stub\.mjs/i;

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
 * @param {"shipped" | "tests"} [options.workflows] which definitions the Worker has
 * @param {boolean} [options.ai] whether the Worker has a binding to (a stub of) Workers AI
 * @param {boolean | "local"} [options.metrics] whether the Worker has a binding to (a stub of)
 *   Analytics Engine; `"local"`: to that of `wrangler dev`
 * @param {boolean} [options.writesHang] whether the embedded store never answers a write
 * @param {string} [options.main] another module than the built Worker (for tests of the harness)
 * @param {string} [options.assets] another directory than the shipped `www/`
 * @param {string} options.persist directory of the embedded store, which survives a restart
 * @param {import("./canary.mjs").Recorder} options.recorder
 */
export async function startWorker(options) {
  const { env = {}, workflows = "shipped", main, assets, persist, recorder } = options;
  const { ai = false, metrics = false, writesHang = false } = options;
  const alarms = [];
  const keepLog = (place) => (message) => {
    recorder.record(`log of ${place}`, message);
    if (ALARMS.test(message) && !EXPECTED.test(message)) alarms.push(message);
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
      log: new RecordedLog(keepLog("Miniflare")),
      handleStructuredLogs: ({ level, message }) => keepWorkerLog(`${level}: ${message}`),
      resourcePersistencePath: persist,
      workers: [
        {
          ...worker,
          name,
          bindings: { ...worker.bindings, ...env },
          serviceBindings: {
            ...worker.serviceBindings,
            ...(ai ? { AI: AI_STUB } : {}),
            ...(metrics === true ? { METRICS: METRICS_STUB } : {}),
          },
          ...(metrics === "local" ? { analyticsEngineDatasets } : {}),
          ...(writesHang
            ? { durableObjects: { EMBEDDED: { ...EMBEDDED, scriptName: HANGING_SHARD } } }
            : {}),
          ...modulesOf(main ?? builtWorker(workflows)),
        },
        embeddedFront(writesHang ? HANGING_SHARD : name, worker.compatibilityDate, embeddedToken),
        ...(ai ? [stub(AI_STUB, worker.compatibilityDate)] : []),
        ...(writesHang
          ? [{ ...stub(HANGING_SHARD, worker.compatibilityDate), durableObjects: { EMBEDDED } }]
          : []),
        ...(metrics === true ? [readable(stub(METRICS_STUB, worker.compatibilityDate))] : []),
      ],
    }),
  );
  const before = childrenOf(process.pid);
  const url = await miniflare.ready;
  /** The data points so far, in their order. */
  async function points() {
    if (metrics !== true) return [];
    return (await fetch(await miniflare.unsafeGetDirectURL(METRICS_STUB))).json();
  }
  const processes = childrenOf(process.pid).filter((pid) => !before.includes(pid));
  return {
    url,
    persist,
    /** Sends a request to the Worker; see `send` in http.mjs. */
    send: (target, request) => send(url, recorder, target, request),
    /** Where a client of Upstash's dialect finds the embedded store. */
    embedded: {
      url: (await miniflare.unsafeGetDirectURL(EMBEDDED_FRONT)).href,
      token: embeddedToken,
      /** The names of the shards that were ever touched. */
      shards: () => miniflare.listDurableObjectIds(EMBEDDED_CLASS, name),
    },
    points,
    async close() {
      recorder.record("data points", JSON.stringify(await points()));
      await miniflare.dispose();
    },
    /** Ends workerd as a crash of its machine would: nothing is said to anybody. */
    kill() {
      for (const pid of processes) process.kill(pid, "SIGKILL");
    },
    /** Fails when a request was lost; to be asked once the Worker is closed. */
    assertSound() {
      if (alarms.length > 0) throw new Error(`the Worker broke down: ${alarms.join("\n")}`);
    },
  };
}

/** The processes that a process has started. */
function childrenOf(pid) {
  const { stdout } = spawnSync("pgrep", ["-P", `${pid}`], { encoding: "utf8" });
  return stdout.split("\n").filter(Boolean).map(Number);
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

/** The Worker that ships, or the one with the definitions in tests/workflows. */
function builtWorker(workflows) {
  const [folder, command] = {
    shipped: ["build", "scripts/build-worker.sh"],
    tests: ["tests/.artifacts/worker", "scripts/build-worker.sh tests"],
  }[workflows];
  const main = path.join(root, folder, "index.js");
  if (!existsSync(main)) throw new Error(`${main} does not exist. Run: ${command}`);
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

/** What a binding leads to in the place of the platform's own. */
function stub(name, compatibilityDate) {
  const main = path.join(support, "fixtures", `${name}.mjs`);
  return { name, compatibilityDate, ...modulesOf(main) };
}

/** A service that tests reach over HTTP. */
function readable(service) {
  return { ...service, unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }] };
}

/** A service of the tests that lets clients of Upstash's dialect reach the embedded store. */
function embeddedFront(scriptName, compatibilityDate, token) {
  return {
    ...readable(stub(EMBEDDED_FRONT, compatibilityDate)),
    bindings: { TOKEN: token },
    durableObjects: {
      EMBEDDED: { ...EMBEDDED, scriptName },
    },
  };
}
