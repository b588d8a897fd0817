/** The built package in the runtimes it is for; each runs the vectors and gives back the report. */
import { execFile } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { launchChromium } from "../browser/chromium.mjs";
import { root } from "../support/root.mjs";

export const PACKAGE = path.join(root, "pkg");
const VECTORS = path.join(root, "tests/vectors");
const HERE = path.join(root, "tests/package");
const PATIENCE_MS = 60_000;

/** package.json of the built package. */
export function manifest() {
  const file = path.join(PACKAGE, "package.json");
  if (!existsSync(file)) throw new Error(`${file} does not exist. Run: make package`);
  return JSON.parse(readFileSync(file, "utf8"));
}

/** The shared vectors, as `runVectors` takes them. */
export function sharedVectors() {
  const read = (name) => readFileSync(path.join(VECTORS, name), "utf8");
  return {
    keys: JSON.parse(read("dynamiq-keys.json")),
    refused: JSON.parse(read("dynamiq-key-errors.json")),
    canonical: JSON.parse(read("canonical.json")),
    values: JSON.parse(read("dynamiq-values.json")),
  };
}

/** Runs `body` in a folder in which the package is installed. */
async function withProject(body) {
  const folder = mkdtempSync(path.join(tmpdir(), "edgememo-package-"));
  try {
    mkdirSync(path.join(folder, "node_modules"));
    symlinkSync(PACKAGE, path.join(folder, "node_modules/edgememo"));
    copyFileSync(path.join(HERE, "vectors.mjs"), path.join(folder, "vectors.mjs"));
    return await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A project of its own, with the package found by its name. */
export function inNode(vectors, program = process.execPath) {
  return withProject(async (folder) => {
    writeFileSync(path.join(folder, "vectors.json"), JSON.stringify(vectors));
    writeFileSync(
      path.join(folder, "main.mjs"),
      `import * as edgememo from "edgememo";
      import { readFileSync } from "node:fs";
      import { runVectors } from "./vectors.mjs";
      const vectors = JSON.parse(readFileSync("vectors.json", "utf8"));
      console.log(JSON.stringify(runVectors(edgememo, vectors)));`,
    );
    const options = { cwd: folder, timeout: PATIENCE_MS };
    const { stdout } = await promisify(execFile)(program, ["main.mjs"], options);
    return JSON.parse(stdout);
  });
}

/** The Worker of the test. `from` is where it finds the package. */
const workerImporting = (from) => `import * as edgememo from "${from}";
import { runVectors } from "./vectors.mjs";
export default {
  async fetch(request) {
    return Response.json(runVectors(edgememo, await request.json()));
  },
};`;

/** The files as they are published, without a bundler. */
export function onWorkerd(vectors) {
  const { workerd } = manifest().exports["."];
  const esModule = (name, contents) => ({ type: "ESModule", path: name, contents });
  const scripts = manifest().files.filter((name) => name.endsWith(".js"));
  const fromPackage = (name) => readFileSync(path.join(PACKAGE, name));
  return askWorker(vectors, [
    esModule("main.mjs", workerImporting(`./edgememo/${path.basename(workerd)}`)),
    esModule("vectors.mjs", readFileSync(path.join(HERE, "vectors.mjs"), "utf8")),
    ...scripts.map((name) => esModule(`edgememo/${name}`, fromPackage(name).toString())),
    {
      type: "CompiledWasm",
      path: "edgememo/edgememo_bg.wasm",
      contents: fromPackage("edgememo_bg.wasm"),
    },
  ]);
}

/** Bundled as wrangler does it: by these conditions, with the wasm file as a module beside. */
export function onWorkerdBundled(vectors) {
  return withProject(async (folder) => {
    const contents = workerImporting("edgememo");
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: folder },
      bundle: true,
      minify: true,
      write: false,
      format: "esm",
      target: "es2022",
      conditions: ["workerd", "worker", "browser"],
      external: ["*.wasm"],
      logLevel: "error",
    });
    const wasm = readFileSync(path.join(PACKAGE, "edgememo_bg.wasm"));
    return askWorker(vectors, [
      { type: "ESModule", path: "main.mjs", contents: outputFiles[0].text },
      { type: "CompiledWasm", path: "edgememo_bg.wasm", contents: wasm },
    ]);
  });
}

async function askWorker(vectors, modules) {
  const { compatibility_date: date } = wranglerToml();
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      cf: false,
      telemetry: { enabled: false },
      compatibilityDate: date,
      modulesRoot: "/",
      modules: modules.map((module) => ({ ...module, path: `/${module.path}` })),
    }),
  );
  try {
    const init = { method: "POST", body: JSON.stringify(vectors) };
    const response = await miniflare.dispatchFetch("http://localhost/", init);
    const text = await response.text();
    if (!response.ok) throw new Error(`the Worker answered ${response.status}: ${text}`);
    return JSON.parse(text);
  } finally {
    await miniflare.dispose();
  }
}

function wranglerToml() {
  const toml = readFileSync(path.join(root, "wrangler.toml"), "utf8");
  return { compatibility_date: toml.match(/^compatibility_date = "([\d-]+)"/m)[1] };
}

/** What the page may do: no inline scripts, no eval; compiling wasm is allowed by its own word. */
const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";

/**
 * A page that imports the package from its own origin.
 * @param {object} vectors
 * @param {{wasmType?: string}} [options] the type under which the server sends the wasm file
 */
export async function inChromium(vectors, { wasmType = "application/wasm" } = {}) {
  const types = { ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": wasmType };
  const files = {
    "/": ["text/html", "<!doctype html><title>edgememo</title>"],
    "/vectors.json": ["application/json", JSON.stringify(vectors)],
    "/vectors.mjs": [types[".mjs"], readFileSync(path.join(HERE, "vectors.mjs"))],
  };
  for (const name of manifest().files) {
    const type = types[path.extname(name)] ?? "text/plain";
    files[`/edgememo/${name}`] = [type, readFileSync(path.join(PACKAGE, name))];
  }
  const server = http.createServer(({ url }, response) => {
    const [type, content] = files[url] ?? [];
    const headers = { "content-type": type ?? "text/plain", "content-security-policy": POLICY };
    response.writeHead(type ? 200 : 404, headers).end(content);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    const complaints = [];
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    const entry = path.posix.join("/edgememo", manifest().exports["."].default);
    const report = await page.evaluate(async (entry) => {
      const [edgememo, { runVectors }, response] = await Promise.all([
        import(entry),
        import("/vectors.mjs"),
        fetch("/vectors.json"),
      ]);
      return runVectors(edgememo, await response.json());
    }, entry);
    // The icon, for which every browser asks.
    const unexpected = complaints.filter((text) => !/404|favicon/i.test(text));
    return { ...report, complaints: unexpected };
  } finally {
    await browser.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
