// `make test` and `make lint`: every check and test of the project, one after the other, each with
// its own output. Ends with what did not run and why, what failed, and, as the last line, the sum
// over all tests: "N passed, N failed, N skipped".
import { execFileSync } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { startGroup, stopGroup } from "./lib/group.mjs";
import { addTally, cargoTally, nodeTally } from "./lib/tally.mjs";
import { quietEnv, WRANGLER } from "./lib/wrangler.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const REPORTER = join(ROOT, "scripts/lib/tally-reporter.mjs");
const MINUTE = 60_000;
const WASM = ["--target", "wasm32-unknown-unknown", "--features", "worker"];
const JS = ["edgememo", "edgememo-bench-keys"].flatMap((name) => ["--package", name]);
JS.push("--target", "wasm32-unknown-unknown", "--features", "edgememo/js");

const scratch = mkdtempSync(join(tmpdir(), "edgememo-test-"));
const colour = process.stdout.isTTY ? { CARGO_TERM_COLOR: "always", FORCE_COLOR: "1" } : {};
const PATH = `${join(ROOT, "node_modules/.bin")}:${process.env.PATH}`;
const env = { ...quietEnv(), ...colour, PATH };

/** @type {{title: string, result: "ok" | "FAILED" | "not run", note: string}[]} */
const results = [];
/** @type {import("./lib/tally.mjs").Tally} */
let total = { passed: 0, failed: 0, skipped: 0, notes: [] };
/** @type {import("./lib/group.mjs").Group | undefined} */
let running;

/**
 * Runs a command to its end, or to the end of its time.
 * @returns {Promise<{ok: boolean, reason: string, output: string}>}
 */
async function run(command, args, { minutes = 10, capture = false } = {}) {
  running = startGroup(command, args, { cwd: ROOT, env, output: capture ? "pipe" : "inherit" });
  const { process: child, ended } = running;
  const chunks = [];
  child.stdout?.on("data", (chunk) => {
    chunks.push(chunk);
    process.stdout.write(chunk);
  });
  child.stderr?.pipe(process.stderr, { end: false });
  let late = false;
  const group = running;
  const alarm = setTimeout(() => {
    late = true;
    stopGroup(group);
  }, minutes * MINUTE);
  const code = await ended;
  clearTimeout(alarm);
  // Whatever a test may have left behind ends here.
  await stopGroup(group);
  running = undefined;
  const reason = late ? `ended after ${minutes} minutes` : `exit code ${code}`;
  return { ok: code === 0 && !late, reason, output: Buffer.concat(chunks).toString() };
}

/**
 * One step: its title, its output, its duration. It returns why it could not run, if so.
 * @param {string} title
 * @param {() => Promise<{ok: boolean, reason: string, tally?: import("./lib/tally.mjs").Tally} | {notRun: string}>} body
 */
async function step(title, body) {
  console.log(`\n── ${title} ${"─".repeat(Math.max(2, 76 - title.length))}`);
  const started = Date.now();
  const outcome = await body();
  if ("notRun" in outcome) {
    console.log(`NOT RUN: ${outcome.notRun}`);
    results.push({ title, result: "not run", note: outcome.notRun });
    total = addTally(total, { skipped: 1 });
    return false;
  }
  const { ok, reason, tally } = outcome;
  if (tally) total = addTally(total, tally);
  // A step that fails without a test that failed is a failure all the same, and counts as one.
  if (!ok && !tally?.failed) total = addTally(total, { failed: 1 });
  const seconds = `${((Date.now() - started) / 1000).toFixed(1)} s`;
  const counts = tally
    ? `${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`
    : "";
  const note = [ok ? counts : [reason, counts].filter(Boolean).join("; "), seconds];
  results.push({ title, result: ok ? "ok" : "FAILED", note: note.filter(Boolean).join(", ") });
  console.log(`── ${ok ? "ok" : "FAILED"} (${note.filter(Boolean).join(", ")})`);
  return ok;
}

/** @param {string} title @param {string[]} command */
const check = (title, [command, ...args]) => step(title, () => run(command, args));

/** @param {...string} args */
function cargoDeny(...args) {
  const path = '. scripts/versions.sh && printf %s "$CARGO_DENY"';
  const cargoDenyBinary = execFileSync("sh", ["-c", path], { cwd: ROOT, encoding: "utf8" });
  if (!existsSync(cargoDenyBinary)) return { notRun: `cargo-deny is missing: ${cargoDenyBinary}` };
  return run(cargoDenyBinary, ["--offline", "check", ...args]);
}

/** cargo-deny's advisories are a database of their own, which is looked at when it is there. */
function advisories() {
  const home = process.env.CARGO_HOME ?? join(homedir(), ".cargo");
  const database = ["advisory-dbs", "advisory-db"]
    .map((name) => join(home, name))
    .find((path) => existsSync(path) && readdirSync(path).length > 0);
  if (!database) {
    return {
      notRun: `no advisory database in ${join(home, "advisory-dbs")}; cargo deny fetch would bring it`,
    };
  }
  console.log(`database: ${database}`);
  return cargoDeny("advisories", "--disable-fetch");
}

async function lint() {
  await check("rustfmt", ["cargo", "fmt", "--all", "--check"]);
  await check("clippy, native", [
    "cargo",
    "clippy",
    "--locked",
    "--all-targets",
    "--",
    "-Dwarnings",
  ]);
  await check("clippy, the Worker", ["cargo", "clippy", "--locked", ...WASM, "--", "-Dwarnings"]);
  await check("clippy, the npm package", [
    "cargo",
    "clippy",
    "--locked",
    ...JS,
    "--",
    "-Dwarnings",
  ]);
  await step("licences, banned crates, sources", () => cargoDeny("licenses", "bans", "sources"));
  await step("advisories", advisories);
  await check("biome", ["biome", "check", "--error-on-warnings", "."]);
}

/** @param {string[]} options of `cargo test` */
async function cargoTest(...options) {
  const args = ["test", "--locked", "--no-fail-fast", ...options];
  const { ok, reason, output } = await run("cargo", args, { minutes: 20, capture: true });
  return { ok, reason, tally: cargoTally(output) };
}

/** The contract of all transports, which reach servers that the script starts. */
async function transports() {
  const { whyNoRedis } = await import("../tests/support/redis.mjs");
  const notRun = whyNoRedis();
  if (notRun) return { notRun };
  const script = join(ROOT, "tests/support/transports.mjs");
  const { ok, reason, output } = await run(process.execPath, [script], { capture: true });
  return { ok, reason, tally: cargoTally(output) };
}

/** @param {string} folder a folder of tests @param {string[]} options of `node --test` */
async function nodeTest(folder, options) {
  const files = globSync(`tests/${folder}/**/*.test.mjs`, { cwd: ROOT }).sort();
  if (files.length === 0) return { notRun: `there is no test in tests/${folder}` };
  const tallyFile = join(scratch, `${folder}.jsonl`);
  const reporters = [
    ["--test-reporter=spec", "--test-reporter-destination=stdout"],
    [`--test-reporter=${REPORTER}`, `--test-reporter-destination=${tallyFile}`],
  ].flat();
  // Each test has a limit of its own; this one is for a test that forgot.
  const args = ["--test", "--test-timeout=600000", ...reporters, ...options, ...files];
  const { ok, reason } = await run(process.execPath, args, { minutes: 20 });
  const tally = nodeTally(existsSync(tallyFile) ? readFileSync(tallyFile, "utf8") : "");
  for (const note of tally.notes) note.file = relative(ROOT, note.file ?? "");
  return { ok: ok && tally.failed === 0, reason, tally };
}

async function test() {
  await step("cargo test", () => cargoTest());
  const built =
    (await check("build of the Worker", ["scripts/build-worker.sh"])) &&
    (await check("build of the Worker of the tests", ["scripts/build-worker.sh", "tests"]));
  const needsBuild = (body) => (built ? body : () => ({ notRun: "the Worker could not be built" }));
  await step("cargo test, over all transports", needsBuild(transports));
  const dryRun = [WRANGLER, "deploy", "--dry-run", "--outdir", join(scratch, "deploy")];
  await step(
    "wrangler deploy --dry-run",
    needsBuild(() => run(process.execPath, dryRun)),
  );
  for (const folder of ["support", "worker", "browser"]) {
    await step(
      `tests/${folder}`,
      needsBuild(() => nodeTest(folder, [])),
    );
  }
  const packed = await check("build of the npm package", ["scripts/build-package.sh"]);
  const oneByOne = ["--test-concurrency=1"];
  await step("tests/package", () =>
    packed ? nodeTest("package", oneByOne) : { notRun: "the package could not be built" },
  );
  // These start whole builds and servers: one after the other.
  await step(
    "tests/tooling",
    needsBuild(() => nodeTest("tooling", oneByOne)),
  );
}

function summary() {
  console.log(`\n── Summary ${"─".repeat(69)}`);
  for (const { title, result, note } of results) {
    console.log(`${result.padEnd(8)} ${title.padEnd(34)} ${note}`);
  }
  if (total.notes.length > 0) console.log("\nSkipped, not tested:");
  for (const { name, reason, file } of total.notes) {
    console.log(`  ${[file, name].filter(Boolean).join(": ")}${reason ? ` (${reason})` : ""}`);
  }
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, async () => {
    if (running) await stopGroup(running);
    rmSync(scratch, { recursive: true, force: true });
    process.exit(130);
  });
}

const lintOnly = process.argv[2] === "lint";
await lint();
if (!lintOnly) await test();
rmSync(scratch, { recursive: true, force: true });
summary();
const failed = results.some(({ result }) => result === "FAILED");
if (lintOnly) {
  process.exit(failed ? 1 : 0);
}
const { passed, failed: failures, skipped } = total;
if (passed + failures === 0) console.log("\nNo test ran: that is a failure.");
console.log(`\n${passed} passed, ${failures} failed, ${skipped} skipped`);
process.exit(failed || passed === 0 ? 1 : 0);
