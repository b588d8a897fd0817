// The set-up script, against stand-ins for the tools that it calls: what it installs, what it
// leaves alone, and what it says when something is missing.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const VERSIONS = readFileSync(join(ROOT, "scripts/versions.sh"), "utf8");
const pinned = (name) => new RegExp(`^${name}=(\\S+)$`, "m").exec(VERSIONS)[1];
const WORKER_BUILD = `worker-build ${pinned("WORKER_BUILD_VERSION")}`;
const WASM_BINDGEN = `wasm-bindgen-cli ${pinned("WASM_BINDGEN_VERSION")}`;
const CARGO_FUZZ = `cargo-fuzz ${pinned("CARGO_FUZZ_VERSION")}`;
const CARGO_DENY = `cargo-deny ${pinned("CARGO_DENY_VERSION")}`;
/** The arguments of cargo install for "NAME VERSION". */
const installOf = (tool) => `cargo install ${tool.replace(" ", " --version ")} --locked `;

/** What a bare system has. */
const SYSTEM = "awk cat cksum dirname env id ln mkdir mv rm sed sh sleep touch uname".split(" ");

/** The stand-ins; each writes what it was asked into $LOG. */
const STAND_INS = {
  rustup: `echo "rustup $*" >>"$LOG"; mkdir -p "$HOME/lib"; touch "$HOME/lib/libcore-0.rlib"`,
  rustc: `case $* in *target-libdir*) echo "$HOME/lib" ;; *) echo "rustc \${RUSTC_VERSION:-1.95.0} (x)" ;; esac`,
  cc: "exit 0",
  "c++": "exit 0",
  node: `
if [ "$1" = installArchSpecificPackage ] && [ -n "\${NODE_INSTALLS:-}" ]; then
  mkdir bin
  printf '#!/bin/sh\\n' >bin/node
  chmod +x bin/node
fi
[ "$1" = --version ] && echo "\${NODE_VERSION:-v20.1.0}"; [ "$1" != -e ]`,
  cargo: `
echo "cargo $*" >>"$LOG"
[ "$1" != +nightly ] || exit "\${NO_NIGHTLY:-0}"
[ "$1" = install ] || exit 0
[ "\${CARGO_FAILS:-}" != "$2" ] || exit 101
while [ "$1" != --root ]; do crate=\${crate:-$2}; shift; done
[ "$crate" != wasm-bindgen-cli ] || crate=wasm-bindgen
mkdir -p "$2/bin"
if [ -n "\${CARGO_HANGS:-}" ]; then touch "$2/bin/$crate" "$HOME/hanging"; sleep 60; fi
printf '#!/bin/sh\\n' >"$2/bin/$crate"
chmod +x "$2/bin/$crate"`,
  npm: `
echo "npm $*" >>"$LOG"
rm -rf node_modules
mkdir -p node_modules/.bin node_modules/node
for name in esbuild workerd wasm-opt \${NPM_WITHOUT_NODE:-node}; do
  printf '#!/bin/sh\\n' >"node_modules/.bin/$name"
  chmod +x "node_modules/.bin/$name"
done`,
  chmod: `exec ${execFileSync("sh", ["-c", "command -v chmod"], { encoding: "utf8" }).trim()} "$@"`,
};

let home;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "edgememo-setup-"));
  mkdirSync(join(home, "bin"));
  mkdirSync(join(home, "project/scripts"), { recursive: true });
  for (const script of ["setup.sh", "versions.sh", "find-chromium.sh"]) {
    cpSync(join(ROOT, "scripts", script), join(home, "project/scripts", script));
  }
  writeFileSync(join(home, "project/Cargo.toml"), '[package]\nrust-version = "1.91"\n');
  writeFileSync(join(home, "project/package-lock.json"), "{}\n");
  for (const name of SYSTEM) {
    const path = execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
    symlinkSync(path, join(home, "bin", name));
  }
  for (const [name, body] of Object.entries(STAND_INS)) {
    writeFileSync(join(home, "bin", name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(home, "bin", name), 0o755);
  }
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

const environment = (env) => ({
  HOME: home,
  PATH: join(home, "bin"),
  LOG: join(home, "log"),
  EDGEMEMO_TOOLS: join(home, "tools"),
  ...env,
});

/** Runs the set-up; every call has to name its own end of time. */
function setup({ what = [], env = {}, without = [] } = {}) {
  for (const name of without) rmSync(join(home, "bin", name));
  const script = join(home, "project/scripts/setup.sh");
  const { status, stdout, stderr } = spawnSync("/bin/sh", [script, ...what], {
    env: environment(env),
    encoding: "utf8",
    timeout: 30_000,
  });
  return { status, stdout, stderr };
}

/** What the stand-ins were asked to install. */
const installs = () =>
  (existsSync(join(home, "log")) ? readFileSync(join(home, "log"), "utf8") : "")
    .split("\n")
    .filter((line) => /install| ci|target add/.test(line));

test("installs what is missing, at the pinned versions, and shows its progress", () => {
  const { status, stdout, stderr } = setup();
  assert.equal(status, 0, stderr);
  const [target, workerBuild, wasmBindgen, npm, ...rest] = installs();
  assert.equal(target, "rustup target add wasm32-unknown-unknown");
  assert.ok(workerBuild.startsWith(installOf(WORKER_BUILD)), workerBuild);
  assert.ok(wasmBindgen.startsWith(installOf(WASM_BINDGEN)), wasmBindgen);
  assert.match(npm, /^npm ci/);
  assert.deepEqual(rest, []);
  assert.ok(stdout.includes(`[2/4] ${WORKER_BUILD}: installing, takes 3 to 6 minutes\n`), stdout);
  const folder = join(home, "tools", WASM_BINDGEN.replace(" ", "-"));
  assert.ok(existsSync(join(folder, "bin/wasm-bindgen")));
});

test("installs nothing when everything is there", () => {
  setup();
  const before = installs();
  const { status, stdout } = setup();
  assert.equal(status, 0);
  assert.deepEqual(installs(), before);
  assert.equal(stdout.match(/: present$/gm)?.length, 4, stdout);
});

test("installs the npm packages again when the lock file has changed", () => {
  setup();
  writeFileSync(join(home, "project/package-lock.json"), '{"changed": true}\n');
  setup();
  assert.equal(installs().filter((line) => line.startsWith("npm ci")).length, 2);
});

for (const [name, without, says] of [
  ["rustup", ["rustup", "rustc"], /rustup is missing[\s\S]*rustup\.rs/],
  ["node", ["node"], /node is missing[\s\S]*nodejs\.org/],
  ["npm", ["npm"], /npm is missing/],
  ["a C compiler", ["cc"], /C compiler \(cc\) is missing[\s\S]*build-essential/],
]) {
  test(`names ${name} when it is missing, and installs nothing`, () => {
    const { status, stderr } = setup({ without });
    assert.equal(status, 1);
    assert.match(stderr, says);
    assert.deepEqual(installs(), []);
  });
}

test("names the compiler when it is too old, and how to get a newer one", () => {
  const { status, stderr } = setup({ env: { RUSTC_VERSION: "1.90.9" } });
  assert.equal(status, 1);
  assert.match(stderr, /Rust 1\.90\.9 is too old: 1\.91 or newer is needed/);
  assert.match(stderr, /rustup update stable/);
});

test("names Node.js when it is too old", () => {
  const { status, stderr } = setup({ env: { NODE_VERSION: "v16.20.0" } });
  assert.equal(status, 1);
  assert.match(stderr, /Node\.js v16\.20\.0 is too old/);
});

test("names the tool that could not be installed", () => {
  const { status, stderr } = setup({ env: { CARGO_FAILS: "wasm-bindgen-cli" } });
  assert.equal(status, 1);
  assert.ok(stderr.includes(`${WASM_BINDGEN} could not be installed`), stderr);
});

test("does not take an interrupted installation for a finished one", async () => {
  const script = join(home, "project/scripts/setup.sh");
  const child = spawn("/bin/sh", [script], {
    env: environment({ CARGO_HANGS: "yes" }),
    detached: true,
    stdio: "ignore",
  });
  const exited = once(child, "exit");
  for (let tries = 0; !existsSync(join(home, "hanging")) && tries < 200; tries += 1) {
    await sleep(25);
  }
  process.kill(-child.pid, "SIGKILL");
  await exited;
  const { status, stdout, stderr } = setup();
  assert.equal(status, 0, stderr);
  assert.ok(stdout.includes(`${WORKER_BUILD}: installing`), stdout);
  assert.equal(installs().filter((line) => line.includes("install worker-build ")).length, 2);
});

test("runs the install script of the package node when npm did not", () => {
  const env = { NPM_WITHOUT_NODE: "other", NODE_INSTALLS: "yes" };
  const { status, stderr } = setup({ env });
  assert.equal(status, 0, stderr);
  assert.match(setup({ env }).stdout, /npm packages: present/);
});

test("fails clearly when npm installed no Node.js and the installed one is too old", () => {
  const { status, stderr } = setup({ env: { NPM_WITHOUT_NODE: "other" } });
  assert.equal(status, 1);
  assert.match(stderr, /node_modules\/\.bin\/node does not run, and v20\.1\.0 is too old/);
  // The next set-up must not believe that this one finished.
  assert.match(setup().stdout, /npm packages: installing/);
});

test("says loudly which tests will be skipped when their programs cannot be had", () => {
  const env = { CARGO_FAILS: "cargo-deny", CHROMIUM: join(home, "no-such-browser") };
  const { status, stderr } = setup({ what: ["test"], env });
  assert.equal(status, 0, stderr);
  assert.match(stderr, /!! redis-server is missing[\s\S]*SKIPPED/);
  assert.match(stderr, /!! Chromium is missing[\s\S]*SKIPPED/);
  assert.ok(stderr.includes(`!! ${CARGO_DENY} could not be installed`), stderr);
  assert.match(stderr, /done, but without:[\s\S]*redis-server[\s\S]*Chromium/);
});

test("the set-up for fuzzing installs cargo-fuzz and nothing else", () => {
  const { status, stdout, stderr } = setup({ what: ["fuzz"] });
  assert.equal(status, 0, stderr);
  const [cargoFuzz, ...rest] = installs();
  assert.ok(cargoFuzz.startsWith(installOf(CARGO_FUZZ)), cargoFuzz);
  assert.deepEqual(rest, []);
  assert.ok(stdout.includes(`[2/2] ${CARGO_FUZZ}: installing`), stdout);
  assert.match(setup({ what: ["fuzz"] }).stdout, /\[2\/2\] cargo-fuzz \S+: present/);
});

test("says how to get a nightly compiler when fuzzing has none", () => {
  const { status, stderr } = setup({ what: ["fuzz"], env: { NO_NIGHTLY: "1" } });
  assert.equal(status, 1);
  assert.match(stderr, /nightly[\s\S]*rustup toolchain install nightly/);
  assert.deepEqual(installs(), []);
});
