/** A trap in wasm fails the request that runs into it, and no other: the next one has a new module. */
import assert from "node:assert/strict";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { Recorder } from "../support/canary.mjs";
import { root } from "../support/root.mjs";
import { startWorker } from "../support/worker.mjs";

/**
 * Goes before the built Worker. A request with `?trap=now` hands wasm a pointer beyond its memory, and
 * after one with `?trap=later` that is done with the first answer that it waits for.
 */
const TRAPS = `
const { Instance } = WebAssembly;
WebAssembly.Instance = function (...given) {
  const { exports } = new Instance(...given);
  const beyond = -16;
  let later = false;
  const says = (at, length, what) =>
    new TextDecoder().decode(new Uint8Array(exports.memory.buffer, at, length)).includes(what);
  const traps = {
    handle(at, length, ...rest) {
      later = says(at, length, "trap=later");
      return exports.handle(says(at, length, "trap=now") ? beyond : at, length, ...rest);
    },
  };
  for (const name of Object.keys(exports).filter((name) => name.includes("invoke")))
    traps[name] = (at, ...rest) => exports[name](later ? beyond : at, ...rest);
  return { exports: { ...exports, ...traps } };
};
`;

describe("a trap", { timeout: 60_000 }, () => {
  const env = { EDGEMEMO_INSECURE: "true", OPENAI_API_KEY: "unused" };
  let folder;
  let worker;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "edgememo-trap-"));
    const built = (file) => path.join(root, "build", file);
    const main = path.join(folder, "index.js");
    await writeFile(main, TRAPS + (await readFile(built("index.js"), "utf8")));
    await copyFile(built("index_bg.wasm"), path.join(folder, "index_bg.wasm"));
    worker = await startWorker({ main, env, persist: folder, recorder: new Recorder() });
  });

  after(async () => {
    await worker?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const run = (query) =>
    worker.send(`/v1/nodes/summarizer/run${query}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ input: {} }),
    });

  for (const when of ["now", "later"]) {
    test(`${when} is the end of one request only`, async () => {
      assert.equal((await run("")).status, 422, "a run before it");
      const path = when === "now" ? "/v1/nodes/summarizer/run" : "/readyz";
      assert.equal((await worker.send(`${path}?trap=${when}`)).status, 500);
      for (const again of ["first", "second"])
        assert.equal((await run("")).status, 422, `the ${again} run after it`);
    });
  }
});
