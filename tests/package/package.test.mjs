/** What is published: the files, the manifest, the types, and the build that makes them. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { root } from "../support/root.mjs";
import { manifest, PACKAGE } from "./runtimes.mjs";
import { declaredFunctions, documentedCodes, errorCodes } from "./words.mjs";

describe("the package", { timeout: 120_000 }, () => {
  it("holds these files and no others", () => {
    const { status, stdout, stderr } = spawnSync("npm", ["pack", "--dry-run", "--json"], {
      cwd: PACKAGE,
      encoding: "utf8",
      timeout: 60_000,
    });
    assert.equal(status, 0, stderr);
    const [{ files, name }] = JSON.parse(stdout);
    assert.equal(name, "edgememo");
    assert.deepEqual(files.map((file) => file.path).sort(), [
      "LICENSE",
      "README.md",
      "browser.js",
      "edgememo.js",
      "edgememo_bg.wasm",
      "error.js",
      "index.d.ts",
      "index.js",
      "node.js",
      "package.json",
      "path.js",
      "text.js",
      "value.js",
      "worker.js",
    ]);
  });

  it("has the crate's version, and only entries that are there", () => {
    const { version, exports, types, dependencies } = manifest();
    const cargo = readFileSync(path.join(root, "Cargo.toml"), "utf8");
    assert.equal(version, cargo.match(/^version = "(.*)"$/m)[1]);
    assert.equal(dependencies, undefined);
    const targets = [types, ...Object.values(exports["."]), exports["./edgememo_bg.wasm"]];
    for (const target of targets) assert.ok(existsSync(path.join(PACKAGE, target)), target);
    // Types first, or TypeScript does not find them; the default last, or nothing after it counts.
    assert.equal(Object.keys(exports["."])[0], "types");
    assert.equal(Object.keys(exports["."]).at(-1), "default");
  });

  it("exports what its types declare", async () => {
    const entry = manifest().exports["."].node;
    const edgememo = await import(path.join(PACKAGE, entry));
    assert.deepEqual(Object.keys(edgememo).sort(), declaredFunctions().sort());
  });

  it("documents every error code", () => {
    assert.ok(errorCodes().length > 10);
    assert.deepEqual(documentedCodes().sort(), errorCodes().sort());
  });

  it("uses SIMD, and keeps no names of functions", () => {
    const wasm = readFileSync(path.join(PACKAGE, "edgememo_bg.wasm"));
    const module = new WebAssembly.Module(wasm);
    assert.ok(wasm.includes("simd128"));
    assert.equal(WebAssembly.Module.customSections(module, "name").length, 0);
  });
});

describe("the build of the package", { timeout: 300_000 }, () => {
  function build(env) {
    return spawnSync(path.join(root, "scripts/build-package.sh"), {
      env: { ...process.env, ...env },
      encoding: "utf8",
      timeout: 240_000,
    });
  }

  it("prints the size, and does nothing again when nothing changed", () => {
    const first = build();
    assert.equal(first.status, 0, first.stderr);
    assert.match(first.stdout, /^pkg\/edgememo_bg\.wasm \d+\.\d KB, \d+\.\d KB gzipped$/m);
    const made = () => statSync(path.join(PACKAGE, "package.json")).mtimeMs;
    const before = made();
    assert.equal(build().status, 0);
    assert.equal(made(), before);
  });

  it("says what to do when a tool is missing", () => {
    const { status, stderr } = build({ EDGEMEMO_TOOLS: "/nowhere" });
    assert.equal(status, 1);
    assert.match(stderr, /\/nowhere\/wasm-bindgen\S* is missing\. Run: make setup/);
  });
});
