/** The size of what is deployed: cold starts load it, and the free plan bounds it. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { root } from "../support/root.mjs";

const LIMIT_BYTES = 300 * 1024;
const build = path.join(root, "build");
const PARTS = ["index.js", "index_bg.wasm"];

test("index.js and index_bg.wasm are at most 300 KB together, gzipped", async (t) => {
  const sizes = await Promise.all(
    PARTS.map(async (part) => gzipSync(await readFile(path.join(build, part))).length),
  );
  const total = sizes[0] + sizes[1];
  t.diagnostic(`${total} bytes of ${LIMIT_BYTES}`);
  assert.ok(total <= LIMIT_BYTES, `${total} bytes`);
});

test("index.js imports nothing else, so these two are the whole of it", async () => {
  const script = await readFile(path.join(build, "index.js"), "utf8");
  const imports = [...script.matchAll(/(?:from|import)\s*\(?\s*["']([^"']+)["']/g)].map(
    ([, id]) => id,
  );
  const own = imports.filter((id) => !id.startsWith("cloudflare:"));
  assert.deepEqual([...new Set(own)], ["./index_bg.wasm"]);
});
