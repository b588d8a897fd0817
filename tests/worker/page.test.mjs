/** The first page beside the API: files are served with their headers, API paths never are files. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { root } from "../support/root.mjs";
import { RUN, World, withWorld } from "../support/world.mjs";

withWorld("the page", { store: "embedded" }, (world) => {
  test("is served at / with the headers of www/_headers", async () => {
    const { status, headers } = await world.send("/");
    assert.equal(status, 200);
    assert.match(headers["content-type"], /^text\/html\b/);
    const lines = (await readFile(path.join(root, "www", "_headers"), "utf8")).split("\n");
    const shipped = lines.filter((line) => /^\s+\S+:/.test(line)).map((line) => line.trim());
    assert.ok(shipped.some((line) => line.startsWith("Content-Security-Policy:")));
    for (const line of shipped) {
      const colon = line.indexOf(":");
      const name = line.slice(0, colon).toLowerCase();
      assert.equal(headers[name], line.slice(colon + 1).trim(), name);
    }
  });

  test("has a policy that allows no inline script and no other origin", async () => {
    const { headers } = await world.send("/");
    const policy = headers["content-security-policy"];
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval|https?:|\*|data:/);
  });

  test("finds everything it links to", async () => {
    const { text } = await world.send("/");
    const links = [...text.matchAll(/(?:src|href)="([^"#:]+)"/g)].map(([, link]) => link);
    assert.ok(links.length >= 2, "a script and a style sheet");
    for (const link of links) {
      const { pathname } = new URL(link, "http://page/");
      const { status, headers } = await world.send(pathname);
      assert.equal(status, 200, link);
      assert.ok(headers["content-security-policy"], link);
    }
  });

  test("does not serve its own header file", async () => {
    const { status, text } = await world.send("/_headers");
    assert.equal(status, 404);
    assert.doesNotMatch(text, /Content-Security-Policy/);
  });
});

describe("files that lie at API paths", { timeout: 60_000 }, () => {
  test("are never served: the Worker answers", async (t) => {
    const assets = await mkdtemp(path.join(tmpdir(), "edgememo-"));
    t.after(() => rm(assets, { recursive: true, force: true }));
    for (const file of [
      "index.html",
      "healthz",
      "readyz",
      "v1/nodes.html",
      "v1/nodes/summarizer/run",
      "v1/other.html",
    ]) {
      await mkdir(path.join(assets, path.dirname(file)), { recursive: true });
      await writeFile(path.join(assets, file), "a file");
    }
    const world = new World({ store: "embedded", assets });
    await world.start();
    try {
      assert.equal((await world.send("/")).text, "a file", "the files are there");
      assert.deepEqual((await world.send("/healthz")).json, { status: "ok" });
      for (const [target, status] of Object.entries({
        "/readyz": 401,
        "/v1/nodes": 401,
        "/v1/nodes.html": 404,
        "/v1/other.html": 404,
        "/v1/other": 404,
        [RUN]: 405,
      })) {
        const answer = await world.send(target);
        assert.equal(answer.status, status, target);
        assert.doesNotMatch(answer.text, /a file/, target);
      }
    } finally {
      await world.close();
    }
  });
});
