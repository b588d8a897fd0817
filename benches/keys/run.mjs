// `make bench-keys`: what a key costs, beside SHA-256 alone and beside JavaScript, in one run.
//
// The wasm is the package's, with SHA-256 exported too, on Node.js. What is compared takes turns,
// several times, and the median counts: machines are noisy, and a ratio within one run is less so.
//
// Usage: node benches/keys/run.mjs [--rounds 15] [--milliseconds 60] [--stages]
import { execFileSync } from "node:child_process";
import { createHash, webcrypto } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { over } from "../../src/js/index.js";
import { documents } from "./documents.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BUILD = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? "target", "bench-keys");

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "15" },
    milliseconds: { type: "string", default: "60" },
    stages: { type: "boolean", default: false },
  },
});

const raw = await import(join(BUILD, "bench_keys.js"));
raw.initSync({ module: new WebAssembly.Module(readFileSync(join(BUILD, "bench_keys_bg.wasm"))) });
const { cacheKey } = over(raw);

/** What a JavaScript programmer would write. */
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const out = {};
  for (const name of Object.keys(value).sort()) out[name] = sorted(value[name]);
  return out;
}

const encoder = new TextEncoder();
const contenders = {
  dynamiq: (text) => cacheKey({ entityId: "node", input: text }),
  canonical: (text) => cacheKey({ entityId: "node", input: text, scheme: "canonical" }),
  sha256: (text) => raw.sha256(text),
  nodeCrypto: (text) =>
    createHash("sha256")
      .update(JSON.stringify(sorted(JSON.parse(text))))
      .digest("hex"),
  webCrypto: async (text) => {
    const bytes = encoder.encode(JSON.stringify(sorted(JSON.parse(text))));
    const digest = await webcrypto.subtle.digest("SHA-256", bytes);
    return Buffer.from(digest).toString("hex");
  },
};
const stages = { cross: raw.cross, parse: raw.parse, spell: raw.spell };

/** Microseconds per call, over about that many milliseconds. */
async function measure(call, text, milliseconds) {
  const started = performance.now();
  let calls = 0;
  let elapsed = 0;
  do {
    const result = call(text);
    // Awaiting what is no promise would cost a turn of the queue.
    if (result instanceof Promise) await result;
    calls += 1;
    elapsed = performance.now() - started;
  } while (elapsed < milliseconds);
  return (elapsed * 1000) / calls;
}

function median(times) {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)];
}

async function measureAll(calls, text) {
  const times = Object.fromEntries(Object.keys(calls).map((name) => [name, []]));
  const milliseconds = Number(options.milliseconds);
  for (const call of Object.values(calls)) await measure(call, text, milliseconds); // warm
  for (let round = 0; round < Number(options.rounds); round += 1)
    for (const [name, call] of Object.entries(calls))
      times[name].push(await measure(call, text, milliseconds));
  return Object.fromEntries(Object.entries(times).map(([name, list]) => [name, median(list)]));
}

/** The same keys in native code, in microseconds. */
function measureNative(texts) {
  const folder = mkdtempSync(join(tmpdir(), "edgememo-bench-keys-"));
  try {
    const files = texts.map((text, index) => {
      const file = join(folder, `${index}.json`);
      writeFileSync(file, text);
      return file;
    });
    const args = ["bench", "--quiet", "--locked", "--bench", "keys", "--", ...files];
    const output = execFileSync("cargo", args, { cwd: ROOT, encoding: "utf8" });
    return output
      .trim()
      .split("\n")
      .map((line) => {
        const times = Object.entries(JSON.parse(line));
        return Object.fromEntries(times.map(([name, ns]) => [name, ns / 1000]));
      });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const TITLES = {
  dynamiq: "(a) key, dynamiq, wasm",
  canonical: "    key, canonical, wasm",
  sha256: "(b) SHA-256 alone, wasm",
  nodeCrypto: "(c) JavaScript, node:crypto",
  webCrypto: "(d) JavaScript, WebCrypto",
  nativeDynamiq: "(e) key, dynamiq, native",
  nativeCanonical: "    key, canonical, native",
  nativeSha256: "    SHA-256 alone, native",
  cross: "    text into wasm",
  parse: "    the same and parsing",
  spell: "    the same and spelling",
};

const texts = documents();
const native = measureNative(texts.map(({ text }) => text));
const keys = {};
console.log(`Node.js ${process.version}, ${process.arch}; medians of ${options.rounds} rounds`);
for (const [index, { id, name, text }] of texts.entries()) {
  const bytes = Buffer.byteLength(text);
  const wasm = await measureAll(options.stages ? { ...contenders, ...stages } : contenders, text);
  const { dynamiq, canonical, sha256 } = native[index];
  const times = {
    ...wasm,
    nativeDynamiq: dynamiq,
    nativeCanonical: canonical,
    nativeSha256: sha256,
  };
  console.log(
    `\n${`${name} (${bytes} bytes)`.padEnd(37)} ${"µs".padStart(10)} ${"MB/s".padStart(9)}`,
  );
  for (const [contender, title] of Object.entries(TITLES)) {
    const time = times[contender];
    if (time === undefined) continue;
    const [micros, rate] = [time.toFixed(time < 100 ? 2 : 0), (bytes / time).toFixed(0)];
    console.log(`${title.padEnd(37)} ${micros.padStart(10)} ${rate.padStart(9)}`);
  }
  keys[id] = { bytes, ...times };
}

const { prompt, chat, large } = keys;
const ratios = [
  ["(a) to (b), 15 KB", chat.dynamiq / chat.sha256, "at most 2.0"],
  ["(c) to (a), 15 KB", chat.nodeCrypto / chat.dynamiq, "at least 1.5"],
  ["(d) to (a), 15 KB", chat.webCrypto / chat.dynamiq, "at least 2.5"],
  [
    "(a) per byte, 5 MB to 15 KB",
    large.dynamiq / large.bytes / (chat.dynamiq / chat.bytes),
    "at most 1.2",
  ],
  ["(a) to (b), 200 B", prompt.dynamiq / prompt.sha256, "none"],
];
console.log();
for (const [what, ratio, target] of ratios)
  console.log(`${what.padEnd(37)} ${ratio.toFixed(2).padStart(10)}   target: ${target}`);
