/** The size of what is deployed: cold starts load it, and the free plan bounds it. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { BUDGET, measure } from "../../scripts/size.mjs";
import { root } from "../support/root.mjs";

const build = path.join(root, "build");

test("index.js and index_bg.wasm are within their budget together, gzipped", (t) => {
  const total = measure(build).reduce((sum, { gzipped }) => sum + gzipped, 0);
  t.diagnostic(`${total} bytes of ${BUDGET}`);
  assert.ok(total <= BUDGET, `${total} bytes`);
});

test("a Worker whose nodes use everything is not much larger", (t) => {
  const everything = path.join(root, "tests/.artifacts/worker");
  const total = measure(everything).reduce((sum, { gzipped }) => sum + gzipped, 0);
  t.diagnostic(`${total} bytes`);
  assert.ok(total <= 1.25 * BUDGET, `${total} bytes`);
});

test("index.js imports nothing else, so these two are the whole of it", async () => {
  const script = await readFile(path.join(build, "index.js"), "utf8");
  const imports = [...script.matchAll(/(?:from|import)\s*\(?\s*["']([^"']+)["']/g)].map(
    ([, id]) => id,
  );
  const own = imports.filter((id) => !id.startsWith("cloudflare:"));
  assert.deepEqual([...new Set(own)], ["./index_bg.wasm"]);
});
