// Puts into pkg/ what stands beside the wasm module: node scripts/package.mjs GENERATED, which is what
// wasm-bindgen generated. Prints the size: node scripts/package.mjs
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { withQuickStrings } from "./lib/glue.mjs";
import { kilobytes, measure } from "./size.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PACKAGE = join(ROOT, "pkg");
const SOURCES = join(ROOT, "src/js");

/** The members of package.json. The version is the crate's. */
function manifest(files) {
  const cargo = readFileSync(join(ROOT, "Cargo.toml"), "utf8");
  const ofCrate = (name) => cargo.match(new RegExp(`^${name} = "(.*)"$`, "m"))[1];
  return {
    name: "edgememo",
    version: ofCrate("version"),
    description:
      "Cache keys of LLM node calls, bit for bit those of Dynamiq's Python library, in WebAssembly",
    license: ofCrate("license"),
    keywords: ["llm", "cache", "cache-key", "canonical-json", "dynamiq", "wasm"],
    type: "module",
    types: "./index.d.ts",
    exports: {
      ".": {
        types: "./index.d.ts",
        workerd: "./worker.js",
        deno: "./node.js",
        bun: "./node.js",
        node: "./node.js",
        default: "./browser.js",
      },
      "./edgememo_bg.wasm": "./edgememo_bg.wasm",
      "./package.json": "./package.json",
    },
    // Loading the module is what an entry does; without its exports nobody misses it.
    sideEffects: false,
    engines: { node: ">=18" },
    files,
  };
}

function assemble(generated) {
  const glue = withQuickStrings(readFileSync(generated, "utf8"));
  writeFileSync(join(PACKAGE, "edgememo.js"), glue);
  const scripts = readdirSync(SOURCES).filter((name) => /\.(js|d\.ts)$/.test(name));
  for (const name of scripts) copyFileSync(join(SOURCES, name), join(PACKAGE, name));
  copyFileSync(join(ROOT, "docs/javascript.md"), join(PACKAGE, "README.md"));
  copyFileSync(join(ROOT, "LICENSE"), join(PACKAGE, "LICENSE"));
  const files = ["edgememo.js", "edgememo_bg.wasm", ...scripts].sort();
  writeFileSync(join(PACKAGE, "package.json"), `${JSON.stringify(manifest(files), null, 2)}\n`);
}

function printSize() {
  const names = readdirSync(PACKAGE).filter((name) => /\.(wasm|js)$/.test(name));
  const files = measure(PACKAGE, names);
  const sum = (what) => kilobytes(files.reduce((total, file) => total + file[what], 0));
  const wasm = files.find(({ name }) => name.endsWith(".wasm"));
  console.log(`pkg/edgememo_bg.wasm ${kilobytes(wasm.raw)}, ${kilobytes(wasm.gzipped)} gzipped`);
  console.log(`package ${sum("raw")}, ${sum("gzipped")} gzipped`);
}

const [generated] = process.argv.slice(2);
if (generated !== undefined) assemble(generated);
else printSize();
