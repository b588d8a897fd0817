// What the configuration promises: no secrets, no account, one version of each tool.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parseEnv } from "node:util";
import { unstable_readConfig } from "wrangler";
import { ROOT } from "./dev-server.mjs";

const read = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const pinned = (name) => new RegExp(`^${name}=(\\S+)$`, "m").exec(read("scripts/versions.sh"))[1];
const locked = (crate) =>
  new RegExp(`name = "${crate}"\\nversion = "([^"]+)"`).exec(read("Cargo.lock"))[1];

test("wrangler.toml has no secret and does not open the Worker", () => {
  const toml = read("wrangler.toml");
  assert.doesNotMatch(toml, /EDGEMEMO_INSECURE/);
  const config = unstable_readConfig({ config: `${ROOT}/wrangler.toml` }, { hideWarnings: true });
  const suspicious = /KEY|TOKEN|SECRET|PASSWORD|INSECURE|OPENAI|REDIS/i;
  assert.deepEqual(
    Object.keys(config.vars).filter((name) => suspicious.test(name)),
    [],
  );
});

test("the default configuration asks for no account", () => {
  const config = unstable_readConfig({ config: `${ROOT}/wrangler.toml` }, { hideWarnings: true });
  assert.equal(config.ai, undefined, "Workers AI needs an account, also locally");
  assert.equal(config.account_id, undefined);
  assert.deepEqual(config.kv_namespaces, []);
  assert.deepEqual(config.r2_buckets, []);
});

test("the environment with Workers AI is the same Worker with one binding more", () => {
  const read = (env) =>
    unstable_readConfig({ config: `${ROOT}/wrangler.toml`, env }, { hideWarnings: true });
  const [shipped, withAi] = [read(undefined), read("workers-ai")];
  assert.equal(withAi.ai.binding, "AI");
  for (const name of ["name", "main", "assets", "durable_objects", "migrations", "vars"]) {
    assert.deepEqual(withAi[name], shipped[name], name);
  }
});

test("metrics are off, and uncommenting their lines switches them on in both environments", () => {
  const folder = mkdtempSync(join(tmpdir(), "edgememo-config-"));
  try {
    const toml = read("wrangler.toml");
    const on = toml.replace(/^#(\[\[.*analytics_engine_datasets\]\]|binding =|dataset =)/gm, "$1");
    const datasets = (text, env) => {
      const config = join(folder, "wrangler.toml");
      writeFileSync(config, text);
      const read = unstable_readConfig({ config, env }, { hideWarnings: true });
      return read.analytics_engine_datasets.map(({ binding, dataset }) => [binding, dataset]);
    };
    for (const env of [undefined, "workers-ai"]) {
      assert.deepEqual(datasets(toml, env), [], "an account has to have Analytics Engine");
      assert.deepEqual(datasets(on, env), [["METRICS", "edgememo"]]);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("wasm-bindgen's command and crate are of one version", () => {
  assert.equal(pinned("WASM_BINDGEN_VERSION"), locked("wasm-bindgen"));
});

test("package-lock.json has the packages of every platform, without which npm ci refuses", () => {
  const { packages } = JSON.parse(read("package-lock.json"));
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) => !(`node_modules/${name}` in packages || `${path}/node_modules/${name}` in packages),
    ),
  );
  assert.deepEqual(missing, []);
});

test("worker-build and the worker crate are of one minor version", () => {
  const minor = (version) => version.split(".").slice(0, 2).join(".");
  assert.equal(minor(pinned("WORKER_BUILD_VERSION")), minor(locked("worker")));
});

const noGit = existsSync(`${ROOT}/.git`) ? false : "this is not a checkout";

test("git ignores what is secret and what is built", { skip: noGit }, () => {
  const ignored = (path) => {
    try {
      execFileSync("git", ["check-ignore", "--no-index", "-q", path], { cwd: ROOT });
      return true;
    } catch {
      return false;
    }
  };
  for (const path of [".dev.vars", ".dev.vars.staging", ".env", "build/index.js", ".wrangler/x"]) {
    assert.ok(ignored(path), `${path} could be committed`);
  }
  assert.ok(!ignored(".dev.vars.example"));
});

test("the example of .dev.vars sets nothing, and names settings that can be set", () => {
  const example = read(".dev.vars.example");
  assert.deepEqual(parseEnv(example), {});
  const uncommented = parseEnv(example.replace(/^#(?=[A-Z_]+=)/gm, ""));
  assert.ok("OPENAI_API_KEY" in uncommented && "UPSTASH_REDIS_REST_TOKEN" in uncommented);
});

test("CI runs make test and nothing else", () => {
  const commands = read(".ci/run")
    .split("\n")
    .filter((line) => line && !line.startsWith("#") && !line.startsWith("set "));
  assert.deepEqual(commands, ['cd "$(dirname "$0")/.."', "exec make test"]);
});

test("make help names every command", () => {
  const help = execFileSync("make", ["-C", ROOT, "--no-print-directory"], { encoding: "utf8" });
  const phony = /^\.PHONY: (.*)$/m.exec(read("Makefile"))[1].split(" ");
  for (const name of phony) assert.match(help, new RegExp(`^  make ${name} +\\S`, "m"));
});
