/** The shared vectors, run through the built package by one module wherever the package runs. */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { whyNoChromium } from "../browser/chromium.mjs";
import { inChromium, inNode, onWorkerd, onWorkerdBundled, sharedVectors } from "./runtimes.mjs";
import { errorCodes } from "./words.mjs";

const GROUP_MS = 180_000;

describe("the vectors", { timeout: GROUP_MS }, () => {
  const noBrowser = whyNoChromium();
  let vectors;
  /** The codes as Node.js has them; those of the others have to be the same. */
  let codes;

  before(async () => {
    vectors = sharedVectors();
    ({ codes } = await inNode(vectors));
  });

  function assertPassed(report) {
    assert.deepEqual(report.failures, []);
    const least = 4 * vectors.keys.length + 3 * vectors.canonical.length + vectors.values.length;
    assert.ok(report.checked > least, `only ${report.checked} checks`);
    assert.deepEqual(report.codes, codes);
    for (const code of Object.values(codes)) {
      assert.ok(errorCodes().includes(code), `${code} is not in index.d.ts`);
    }
  }

  it("hold in Node.js", async () => assertPassed(await inNode(vectors)));

  it("hold on workerd", async () => assertPassed(await onWorkerd(vectors)));

  it("hold on workerd, bundled with esbuild", async () =>
    assertPassed(await onWorkerdBundled(vectors)));

  it("hold in Chromium", { skip: noBrowser }, async () => {
    const { complaints, ...report } = await inChromium(vectors);
    assertPassed(report);
    assert.deepEqual(complaints, []);
  });

  it("hold in Chromium when the server does not know the type of wasm files", {
    skip: noBrowser,
  }, async () => {
    const { complaints, ...report } = await inChromium(vectors, {
      wasmType: "application/octet-stream",
    });
    assertPassed(report);
    assert.deepEqual(complaints, []);
  });

  it("are reported when they do not hold", async () => {
    const [key] = vectors.keys;
    const [refused] = vectors.refused;
    const canonical = vectors.canonical.find(({ error }) => error === undefined);
    const invalid = vectors.canonical.find(({ error }) => error === "invalid-json");
    const encode = vectors.values.find(({ kind }) => kind === "encode");
    const decode = vectors.values.find(({ outcome }) => outcome === "hit");
    const wrong = {
      keys: [{ ...key, key: "another" }],
      refused: [{ ...refused, input_json: "{}" }],
      canonical: [
        { ...canonical, canonical_kwargs: "another" },
        { ...invalid, error: "too-deep" },
      ],
      values: [
        { ...encode, stored: "another" },
        { ...decode, decoded: "another" },
        { ...decode, outcome: "miss" },
        { ...decode, outcome: "another" },
      ],
    };
    const { failures } = await inNode(wrong);
    assert.equal(failures.length, 11, failures.join("\n"));
    assert.match(failures[0], new RegExp(`^${key.name}: key is `));
    assert.match(failures[2], new RegExp(`^${refused.name}: is not refused`));
    assert.match(failures[3], new RegExp(`^${canonical.name}: canonical kwargs is `));
    assert.match(failures[4], new RegExp(`^${invalid.name}: is refused as invalid-json`));
    assert.match(failures[7], new RegExp(`^${encode.name}: stored value is `));
    assert.match(failures[8], new RegExp(`^${decode.name}: output is `));
    assert.match(failures[9], new RegExp(`^${decode.name}: is not refused`));
  });
});
