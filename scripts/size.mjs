// The size of the built Worker, against its budget: node scripts/size.mjs
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

/** What index_bg.wasm and index.js may weigh together, gzipped, in bytes. */
export const BUDGET = 520_000;

const BUNDLE = ["index_bg.wasm", "index.js"];
const BUILD = fileURLToPath(new URL("../build/", import.meta.url));

/**
 * The files that are uploaded, or others, with their sizes in bytes.
 * @param {string} [folder]
 * @param {string[]} [names]
 * @returns {{name: string, raw: number, gzipped: number}[]}
 */
export function measure(folder = BUILD, names = BUNDLE) {
  return names.map((name) => {
    const content = readFileSync(join(folder, name));
    return { name, raw: content.length, gzipped: gzipSync(content, { level: 9 }).length };
  });
}

/** @param {number} bytes */
export const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} KB`;

function main() {
  if (!existsSync(join(BUILD, "index.js"))) {
    console.error("There is no build/index.js. Run: make build");
    process.exit(1);
  }
  const files = measure();
  for (const { name, raw, gzipped } of files) {
    console.log(
      `${name.padEnd(14)}${kilobytes(raw).padStart(10)} ${kilobytes(gzipped).padStart(10)} gzipped`,
    );
  }
  const total = files.reduce((sum, file) => sum + file.gzipped, 0);
  const verdict = total <= BUDGET ? "within the budget of" : "OVER THE BUDGET OF";
  console.log(`bundle ${kilobytes(total)} gzipped, ${verdict} ${kilobytes(BUDGET)}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
