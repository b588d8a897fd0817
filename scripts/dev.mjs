// `make dev`: builds the Worker, runs it on this machine under `wrangler dev`, and says how to try it.
// Ends with Ctrl-C (or SIGTERM, SIGHUP), and takes everything it started with it.
//
//   PORT=8899           the port; else 8787 or the next free one
//   --vars FILE         settings from this file instead of .dev.vars
//   --state FOLDER      the embedded store's folder instead of .wrangler/state
import { once } from "node:events";
import { watchFile } from "node:fs";
import { createServer } from "node:net";
import { constants } from "node:os";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Changes } from "./lib/changed.mjs";
import { DEFINITIONS } from "./lib/definitions.mjs";
import { LATENCY, startDemoModel } from "./lib/demo-model.mjs";
import {
  describeCallers,
  describeModel,
  describeStore,
  isInsecure,
  readLocal,
  usesRedis,
  wantsDemoModel,
} from "./lib/dev-vars.mjs";
import { members, startGroup, stopGroup } from "./lib/group.mjs";
import { quietEnv, ReadableOutput, WRANGLER } from "./lib/wrangler.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const HOST = "127.0.0.1";
const FIRST_PORT = 8787;

const { options, vars, state } = readLocal();

/** Everything to be ended when this ends. @type {(() => Promise<boolean | void>)[]} */
const cleanups = [];
let stopping = false;

/** @param {number} code @param {string} [reason] */
async function stop(code, reason) {
  if (stopping) return;
  stopping = true;
  if (reason) console.error(`\n${reason}`);
  const clean = await Promise.all(cleanups.map((cleanup) => cleanup()));
  if (clean.includes(false)) {
    console.error("Some processes could not be ended; see above.");
    process.exit(1);
  }
  process.exit(code);
}

/** Starts a command that is ended together with this one. */
function start(command, args, options) {
  const group = startGroup(command, args, { cwd: ROOT, ...options });
  cleanups.push(async () => {
    const clean = await stopGroup(group);
    for (const { pid, command } of members(group.id))
      console.error(`still there: ${pid} ${command}`);
    return clean;
  });
  return group;
}

/** @param {number} port @returns {Promise<number | undefined>} the port, when it is free */
async function free(port) {
  const server = createServer();
  server.listen({ host: HOST, port, exclusive: true });
  try {
    await once(server, "listening");
  } catch {
    return undefined;
  }
  const { port: taken } = server.address();
  server.close();
  await once(server, "close");
  return taken;
}

async function choosePort() {
  const wanted = process.env.PORT;
  if (wanted) {
    if (!/^\d{1,5}$/.test(wanted) || Number(wanted) > 65535) {
      return stop(2, `PORT=${wanted} is not a port.`);
    }
    const port = await free(Number(wanted));
    return port ?? stop(1, `Port ${wanted} is taken. Choose another: make dev PORT=8899`);
  }
  for (let port = FIRST_PORT; port < FIRST_PORT + 50; port += 1) {
    if (await free(port)) return port;
  }
  return stop(1, `No port from ${FIRST_PORT} on is free. Choose one: make dev PORT=8899`);
}

async function build() {
  console.log("Building the Worker; the first time takes one to three minutes.");
  const code = await start("scripts/build-worker.sh", [], { env: process.env }).ended;
  if (code !== 0) await stop(1, "The build failed; the reason is above.");
}

/** @param {number} port @param {Record<string, string>} given on the command line */
function startWrangler(port, given) {
  const colour = process.stdout.isTTY ? { FORCE_COLOR: "1", CARGO_TERM_COLOR: "always" } : {};
  const args = [
    WRANGLER,
    "dev",
    "--local",
    `--ip=${HOST}`,
    `--port=${port}`,
    "--inspector-port=0",
    "--show-interactive-dev-session=false",
    `--persist-to=${state}`,
    ...Object.entries(given).flatMap(([name, value]) => ["--var", `${name}:${value}`]),
  ];
  const env = { ...quietEnv(), ...colour };
  if (options.vars) {
    args.push(`--env-file=${resolve(options.vars)}`);
    env.CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV = "true";
  }
  const group = start(process.execPath, args, { env, output: "pipe" });
  for (const [from, to] of [
    [group.process.stdout, process.stdout],
    [group.process.stderr, process.stderr],
  ]) {
    from.pipe(new ReadableOutput()).on("data", (text) => {
      if (!stopping) to.write(text);
    });
  }
  group.ended.then((code) => stop(1, `wrangler ended by itself (exit code ${code}).`));
}

/** Waits until the Worker answers, and shows that it is still being waited for. @param {string} url */
async function healthy(url) {
  for (let tries = 1; ; tries += 1) {
    try {
      const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2000) });
      if (response.ok) return;
      if (tries % 20 === 0) console.log(`… /healthz answers ${response.status}`);
    } catch {
      if (tries % 40 === 0) console.log("… waiting for the Worker to answer");
    }
    await sleep(250);
  }
}

/** The ids of the nodes; undefined when only callers with a key are told. @param {string} url */
async function listNodes(url) {
  try {
    const response = await fetch(`${url}/v1/nodes`, { signal: AbortSignal.timeout(2000) });
    return (await response.json()).nodes?.map(({ id }) => id);
  } catch {
    return undefined;
  }
}

/**
 * @param {string} url
 * @param {string[]} [nodes]
 * @param {string} changed what there is to say about nodes that changed
 */
function printReady(url, nodes, changed) {
  const body = JSON.stringify({
    input: { text: "hello" },
    config: { cache: { namespace: "my-app", ttl: 3600 } },
  });
  const key = isInsecure(vars) ? "" : ` -H "authorization: Bearer $EDGEMEMO_KEY"`;
  const curl = `curl -i ${url}/v1/nodes/summarizer/run -H 'content-type: application/json'${key} -d '${body}'`;
  const wait = wantsDemoModel(vars)
    ? `after ${LATENCY / 1000} s`
    : "after as long as the model takes";
  console.log(`
edgememo is ready: ${url}   (Ctrl-C stops it)

  store    ${describeStore(vars)}
  model    ${describeModel(vars)}
  callers  ${describeCallers(vars)}
  nodes    ${nodes?.length ? `${nodes.join(", ")}; ` : ""}GET /v1/nodes says what each takes
${wantsDemoModel(vars) && usesRedis(vars) ? "\nNote: what the demo model says is stored in your Redis, where others may be served from it.\n" : ""}${changed}
Run a node, ${wait}: a MISS (Cache-Status: edgememo; fwd=miss), unless it was run within the last hour.

${curl}

Run it again, in milliseconds: a HIT (Cache-Status: edgememo; hit).

${curl}
`);
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  // Ctrl-C is how this is meant to end; the others are somebody else's doing.
  const code = signal === "SIGINT" ? 0 : 128 + constants.signals[signal];
  process.on(signal, () => stop(code, "Stopping."));
}
// A terminal that has gone must not end this before it has cleaned up.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
process.on("uncaughtException", (error) => {
  console.error(error);
  stop(1);
});

const port = await choosePort();
const url = `http://${HOST}:${port}`;
/** Only for this machine, so on the command line and never in a file; .dev.vars has precedence. */
const given = vars.EDGEMEMO_INSECURE ? {} : { EDGEMEMO_INSECURE: "true" };

await build();
if (wantsDemoModel(vars)) {
  const demo = await startDemoModel();
  cleanups.push(demo.stop);
  Object.assign(given, { OPENAI_API_KEY: "demo", OPENAI_URL: demo.url });
}
const changes = new Changes(vars, state, options);
const changed = changes.sinceLastStart();
startWrangler(port, given);
await healthy(url);
printReady(url, await listNodes(url), await changed);
changes.remember();
watchFile(DEFINITIONS, { interval: 500 }, async () => {
  process.stdout.write(await changes.sinceLastBuild());
});
