// `make bench`: hits a second, latency, and CPU time of workerd per request, for edgememo and for
// two Workers to compare it with, in one run on this machine.
//
// workerd runs the built Worker directly, with the settings that ship; Redis is real, with a warm
// entry, behind a front that speaks Upstash's REST dialect. The Workers take turns, several times,
// and the median counts: machines are noisy. A ratio is less so when it is taken within a round, where
// those that it compares were measured one right after the other; of these, too, the median counts.
// Each round has processes of its own: two of one build may differ by a fifth for as long as they live.
//
// Usage: node benches/run.mjs [--seconds 5] [--rounds 5] [--connections 16]
import { execFile, execFileSync, fork, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import workerd from "workerd";
import { startRedis } from "../tests/support/redis.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const API_KEY = "bench-key";
const TOKEN = "bench-token";
const BODY = JSON.stringify({
  input: { text: "The quick brown fox jumps over the lazy dog. ".repeat(3) },
  config: { cache: { namespace: "my-app", ttl: 3600 } },
});
const NODE_PATH = "/v1/nodes/summarizer/run";
const ANSWER = JSON.stringify({ content: "A fox jumps over a dog." });

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "5" },
    connections: { type: "string", default: "16" },
  },
});
const [seconds, rounds, connections] = [values.seconds, values.rounds, values.connections].map(
  Number,
);

/** What is to be ended when the bench ends, however it does. */
const closers = [];
const scratch = mkdtempSync(join(tmpdir(), "edgememo-bench-"));
closers.push(() => rmSync(scratch, { recursive: true, force: true }));

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function startFront(redisUrl) {
  const front = fork(join(ROOT, "benches/front.mjs"), {
    env: { ...process.env, REDIS_URL: redisUrl, TOKEN },
  });
  closers.push(() => front.kill());
  const { port } = await new Promise((resolve, reject) => {
    front.once("message", resolve);
    front.once("exit", (code) => reject(new Error(`the front ended with ${code}`)));
  });
  return `http://127.0.0.1:${port}`;
}

/** Starts workerd with one Worker. `modules` are capnp entries, `bindings` texts. */
async function startWorkerd(name, modules, bindings) {
  const port = await freePort();
  const texts = Object.entries(bindings).map(
    ([key, value]) => `(name = ${JSON.stringify(key)}, text = ${JSON.stringify(value)})`,
  );
  const config = join(scratch, `${name}.capnp`);
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [${modules.join(", ")}],
  bindings = [${texts.join(", ")}],
  compatibilityDate = "${compatibilityDate()}",
);
`,
  );
  const child = spawn(workerd.default, ["serve", config, `-I${ROOT}`], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  closers.push(() => child.kill());
  const ended = once(child, "exit");
  const stop = () => child.kill() && ended;
  const url = `http://127.0.0.1:${port}`;
  for (let attempt = 0; ; attempt += 1) {
    try {
      await fetch(`${url}/healthz`);
      return { name, url, pid: child.pid, stop };
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function compatibilityDate() {
  const toml = readFileSync(join(ROOT, "wrangler.toml"), "utf8");
  return toml.match(/^compatibility_date = "([\d-]+)"/m)[1];
}

/** capnp looks absolute paths up below the import path, which is the project. */
const embed = (file) => JSON.stringify(`/${file}`);

/** Seconds of CPU that a process has used; NaN where /proc does not tell. */
function cpuSeconds(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return Number.NaN;
  }
}

/** One measurement with wrk. */
async function measure(worker, path) {
  const script = join(scratch, "post.lua");
  writeFileSync(
    script,
    `wrk.method = "POST"
wrk.body = [==[${BODY}]==]
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer ${API_KEY}"
done = function(summary, latency)
  local errors = summary.errors
  print(string.format("RESULT %d %d %d %d %d", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
`,
  );
  const before = cpuSeconds(worker.pid);
  const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "-s", script, worker.url + path];
  const { stdout: output } = await promisify(execFile)("wrk", args);
  const cpu = cpuSeconds(worker.pid) - before;
  const [requests, duration, p50, p99, errors] = output
    .match(/RESULT (\d+) (\d+) (\d+) (\d+) (\d+)/)
    .slice(1)
    .map(Number);
  if (errors > 0) throw new Error(`${worker.name}: ${errors} requests failed`);
  return { rate: requests / (duration / 1e6), p50, p99, cpu: (cpu / requests) * 1e6 };
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

async function post(url) {
  const headers = { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: BODY });
  return { response, body: await response.json() };
}

/** Puts an entry where each Worker looks. */
async function store(redis) {
  const stored = Buffer.from(ANSWER).toString("base64");
  const hash = createHash("sha256").update(BODY).digest("hex");
  await redis.client.set(`bare:${hash}`, stored);

  const kwargs = createHash("sha256").update("{}").digest("hex");
  const text = JSON.stringify({ text: JSON.parse(BODY).input.text }).replace('":', '": ');
  const input = createHash("sha256").update(text).digest("hex");
  await redis.client.set(`my-app:summarizer:${input}:${kwargs}`, stored);
}

/** Makes sure that a Worker answers, and from its entry where it is one with a cache. */
async function check({ name, url }, path) {
  const { response, body } = await post(url + path);
  const status = response.headers.get("cache-status") ?? "";
  if (path === NODE_PATH && !status.startsWith("edgememo; hit"))
    throw new Error(`${name} does not hit: ${status}`);
  if (!(body.content ?? body.output?.content)) throw new Error(`${name} has no answer`);
}

async function main() {
  try {
    execFileSync("wrk", ["-v"], { stdio: "ignore" });
  } catch (error) {
    // wrk prints its version and ends with 1.
    if (error.code === "ENOENT") {
      throw new Error("the bench needs wrk: apt install wrk, brew install wrk");
    }
  }
  const redis = await startRedis();
  closers.push(() => redis.close());
  const UPSTASH_REDIS_REST_URL = await startFront(redis.url);
  const connection = { UPSTASH_REDIS_REST_URL, UPSTASH_REDIS_REST_TOKEN: TOKEN };
  const sha256 = createHash("sha256").update(API_KEY).digest("hex");
  const script = (file) => `(name = "worker.js", esModule = embed ${embed(file)})`;
  const built = [
    `(name = "index.js", esModule = embed ${embed("build/index.js")})`,
    `(name = "./index_bg.wasm", wasm = embed ${embed("build/index_bg.wasm")})`,
  ];
  const settings = {
    OPENAI_API_KEY: "unused",
    EDGEMEMO_API_KEYS: JSON.stringify([{ id: "bench", sha256, namespaces: ["*"] }]),
  };
  const inMemory = { ...settings, ...connection, CACHE_MEMORY_MB: "16" };
  const bareModules = [script("benches/workers/bare.js")];
  const constantModules = [script("benches/workers/constant.js")];
  await store(redis);

  // The bare Worker stands between the two that are compared with it.
  const workers = [
    ["edgememo, hit", NODE_PATH, ["edgememo", built, { ...settings, ...connection }]],
    ["bare JavaScript Worker, a lookup", "/", ["bare", bareModules, connection]],
    ["edgememo, hit in memory", NODE_PATH, ["memory", built, inMemory]],
    ["edgememo, hit over RESP", NODE_PATH, ["resp", built, { ...settings, REDIS_URL: redis.url }]],
    ["Worker that answers a constant", "/", ["constant", constantModules, {}]],
  ].map(([label, path, worker]) => ({ label, path, worker, runs: [] }));
  for (let round = 0; round < rounds; round += 1) {
    for (const { worker, path, runs } of workers) {
      const running = await startWorkerd(...worker);
      await check(running, path);
      // The first measurement warms up the compilers.
      await measure(running, path);
      runs.push(await measure(running, path));
      await running.stop();
    }
  }
  const rows = workers.map(({ label, runs }) => {
    const of = (name) => median(runs.map((run) => run[name]));
    return { label, rate: of("rate"), p50: of("p50"), p99: of("p99"), cpu: of("cpu") };
  });
  const cell = (text, width) => String(text).padStart(width);
  console.log(
    `\n${connections} connections, median of ${rounds} rounds of ${seconds} s, ${BODY.length} B requests\n`,
  );
  console.log(
    `${"".padEnd(34)}${cell("requests/s", 12)}${cell("p50", 10)}${cell("p99", 10)}${cell("CPU/request", 14)}`,
  );
  for (const row of rows) {
    const ms = (microseconds) => `${(microseconds / 1000).toFixed(2)} ms`;
    const cpu = Number.isNaN(row.cpu) ? "n/a" : `${row.cpu.toFixed(0)} µs`;
    console.log(
      row.label.padEnd(34) +
        cell(row.rate.toFixed(0), 12) +
        cell(ms(row.p50), 10) +
        cell(ms(row.p99), 10) +
        cell(cpu, 14),
    );
  }
  const [ours, theirs, remembered] = workers.map(({ runs }) => runs);
  const ratio = (what, runs, name, target) => {
    const ratios = runs.map((run, round) => run[name] / theirs[round][name]);
    const [low, middle, high] = [Math.min(...ratios), median(ratios), Math.max(...ratios)].map(
      (number) => number.toFixed(2),
    );
    console.log(`${what}: ${middle}, from ${low} to ${high} (target: ${target})`);
  };
  console.log();
  ratio("edgememo / bare, rate", ours, "rate", "at least 0.90");
  ratio("edgememo / bare, CPU", ours, "cpu", "at most 1.50");
  ratio("in memory / bare, rate", remembered, "rate", "at least 2.00");
}

let closing;
/** Ends everything that was started, once. */
function closeAll() {
  closing ??= (async () => {
    for (const close of closers.reverse()) await close();
  })();
  return closing;
}

for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })) {
  process.on(signal, () => closeAll().finally(() => process.exit(code)));
}
try {
  await main();
} finally {
  await closeAll();
}
