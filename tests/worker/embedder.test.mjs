/** Embedders: the query alone is hashed, and vectors are stored as Dynamiq stores them. */
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, beforeEach, test } from "node:test";
import { assertFailure } from "../support/assertions.mjs";
import { secret } from "../support/canary.mjs";
import { bodyOf, listen, shut } from "../support/http.mjs";
import { base64, overBothStores } from "../support/world.mjs";

const KEY = secret("embeddings-key");
const calls = [];
let server;
let url;
let answer;

/** A text, since JavaScript would spell the numbers in its own way. */
const embeddings = (numbers) =>
  `{"object":"list","data":[{"object":"embedding","index":0,"embedding":${numbers}}],` +
  '"model":"m","usage":{"prompt_tokens":2,"total_tokens":2}}';

function reply(status, body, headers = {}) {
  return (response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(body);
  };
}

before(async () => {
  server = http.createServer(async (request, response) => {
    const { method, url: path, headers } = request;
    calls.push({ method, path, headers, body: await bodyOf(request) });
    answer(response);
  });
  url = `http://127.0.0.1:${await listen(server)}/v1`;
});
after(() => shut(server));

const options = {
  workflows: "tests",
  ai: true,
  env: () => ({ EMBEDDINGS_API_KEY: KEY, EMBEDDINGS_URL: url }),
};

overBothStores("an embedder", options, (world) => {
  const run = (node, input) =>
    world.run({ input, config: { cache: { namespace: "my-app", ttl: 3600 } } }, { node });

  beforeEach(() => {
    calls.length = 0;
    answer = reply(200, embeddings("[0.1, -0.25, 1, 3e-5]"));
  });

  test("has Dynamiq's key and value, and asks once", async () => {
    const first = await run("embed", { query: "hi there", extra: 1 });
    assert.equal(first.status, 200, first.text);
    // Of tests/vectors/dynamiq-runs.json.
    const key =
      "my-app:embed:0fc89063e63f5d4515ec2c74b6f5678682f20b324b87bbfc9d4c07855ba6cefa:" +
      "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    const output = '{"embedding": [0.1, -0.25, 1.0, 3e-05], "query": "hi there"}';
    assert.equal(first.json.cache.key, key);
    assert.equal(await world.stored(key), base64(output));
    assert.ok(first.text.includes(`"output":${output}`), first.text);
    const second = await run("embed", { more: [2], query: "hi there" });
    assert.equal(second.json.is_output_from_cache, true);
    assert.ok(second.text.includes(`"output":${output}`), second.text);
    assert.equal(calls.length, 1);
    const [{ method, path, headers, body }] = calls;
    assert.deepEqual([method, path], ["POST", "/v1/embeddings"]);
    assert.equal(headers.authorization, `Bearer ${KEY}`);
    assert.equal(body, '{"model":"text-embedding-3-small","input":["hi there"]}');
  });

  test("sends a line, and asks for the dimensions that the definition names", async () => {
    await run("embed-short", { query: "a\nb" });
    assert.equal(
      calls[0].body,
      '{"model":"text-embedding-3-large","input":["a b"],"dimensions":4}',
    );
  });

  test("is not asked for a query that is none, which is 422", async () => {
    for (const input of [{}, { query: 5 }, { query: null }, { query: " \n" }]) {
      const failed = await run("embed", input);
      assertFailure(failed, 422, "ValidationError");
      assert.match(failed.json.error.message, /^query: /);
    }
    assert.equal(calls.length, 0);
  });

  test("fails when the answer is no vector, and stores nothing", async () => {
    for (const body of [
      "",
      "<html>",
      "{}",
      embeddings("[]"),
      embeddings('"AAAA"'),
      embeddings("[1e999]"),
    ]) {
      answer = reply(200, body);
      const failed = await run("embed", { query: "no vector" });
      assertFailure(failed, 502, "UpstreamError");
      assert.match(failed.json.error.message, /not an embedding/);
    }
    answer = reply(200, embeddings("[1]"));
    assert.equal((await run("embed", { query: "no vector" })).json.is_output_from_cache, false);
  });

  test("tells what the provider says, without the key", async () => {
    for (const status of [400, 401, 429, 500]) {
      answer = reply(status, JSON.stringify({ error: { message: `no ${KEY} here` } }));
      const failed = await run("embed", { query: `refused ${status}` });
      assertFailure(failed, 502, "UpstreamError");
      assert.match(failed.json.error.message, new RegExp(`status ${status}`));
    }
  });

  test("of Workers AI is asked through the binding, and not at all on a hit", async () => {
    const first = await run("embed-bound", { query: "four" });
    assert.equal(first.status, 200, first.text);
    assert.match(first.text, /"output":\{"embedding": \[\d+\.0, 0\.5, 4\.0\], "query": "four"\}/);
    await world.stored(first.json.cache.key);
    const second = await run("embed-bound", { query: "four" });
    assert.equal(second.json.is_output_from_cache, true);
    assert.deepEqual(second.json.output, first.json.output);
    assert.equal(calls.length, 0);
    const failed = await run("embed-bound", { query: "3040" });
    assertFailure(failed, 502, "UpstreamError");
    assert.match(failed.json.error.message, /^Workers AI failed: 3040: Capacity/);
  });

  test("is given up when it hangs, which is 504", async () => {
    answer = () => {};
    assertFailure(await run("embed-short", { query: "hangs" }), 504, "TimeoutError");
  });
});
