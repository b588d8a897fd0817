/** Requests that are not runs: what there is, and how everything else is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertFailure, assertProblem } from "../support/assertions.mjs";
import { cached, RUN, withWorld } from "../support/world.mjs";

const MAX_BODY_BYTES = 2_000;
const env = { MAX_BODY_BYTES: String(MAX_BODY_BYTES) };

withWorld("a request", { store: "embedded", env }, (world) => {
  const withKey = (extra = {}) => ({
    ...extra,
    headers: { authorization: `Bearer ${world.keys.team}`, ...extra.headers },
  });

  test("GET and HEAD /healthz are open and say ok", async () => {
    const get = await world.send("/healthz");
    assert.deepEqual([get.status, get.json], [200, { status: "ok" }]);
    const head = await world.send("/healthz", { method: "HEAD" });
    assert.deepEqual([head.status, head.text], [200, ""]);
  });

  test("GET /v1/nodes lists the nodes, without connection and prompt", async () => {
    const { status, json } = await world.send("/v1/nodes", withKey());
    assert.equal(status, 200);
    assert.deepEqual(json, {
      nodes: [
        {
          id: "summarizer",
          name: "Summarizer",
          type: "dynamiq.nodes.llms.OpenAI",
          model: "gpt-4o-mini",
          input: ["text"],
          caching: true,
          key: "dynamiq",
        },
        {
          id: "translator",
          name: "Translator",
          type: "dynamiq.nodes.llms.OpenAI",
          model: "gpt-4o-mini",
          input: ["language", "text"],
          caching: true,
          key: "canonical",
        },
      ],
    });
  });

  for (const path of [
    "/v1",
    "/v1/",
    "/v1/node",
    "/v1/nodes/summarizer",
    `${RUN}/`,
    "/no-such-page",
  ]) {
    test(`${path} is 404 not-found`, async () => {
      assertProblem(await world.send(path, withKey()), 404, "not-found");
    });
  }

  for (const id of ["nobody", "Summarizer", "summarizer%20", "..%2Fsummarizer", "%F0%9F%98%80"]) {
    test(`an unknown node (${id}) is 404 node-not-found`, async () => {
      const answer = await world.send(
        `/v1/nodes/${id}/run`,
        withKey({ method: "POST", body: JSON.stringify(cached("x")) }),
      );
      assertProblem(answer, 404, "node-not-found");
    });
  }

  test("a node id may be percent-encoded", async () => {
    const answer = await world.send(
      "/v1/nodes/summ%61rizer/run",
      withKey({ method: "POST", body: JSON.stringify(cached("encoded id")) }),
    );
    assert.equal(answer.status, 200, answer.text);
  });

  for (const id of ["%", "%zz", "%ff"]) {
    test(`a node id that does not decode (${id}) is 404, not a crash`, async () => {
      const answer = await world.send(
        `/v1/nodes/${id}/run`,
        withKey({ method: "POST", body: JSON.stringify(cached("x")) }),
      );
      assert.match(answer.json.code, /^(node-)?not-found$/);
      assertProblem(answer, 404, answer.json.code);
    });
  }

  const allowed = {
    "/healthz": ["GET", "HEAD"],
    "/readyz": ["GET", "HEAD"],
    "/v1/nodes": ["GET"],
    [RUN]: ["POST"],
  };
  for (const [path, methods] of Object.entries(allowed)) {
    for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
      const answersAsGet = method === "HEAD" && methods.includes("GET");
      if (methods.includes(method) || answersAsGet) continue;
      test(`${method} ${path} is 405 with Allow`, async () => {
        const answer = await world.send(path, { method });
        assert.equal(answer.status, 405);
        const listed = answer.headers.allow.split(/,\s*/);
        for (const allow of methods) assert.ok(listed.includes(allow), answer.headers.allow);
        assert.ok(!listed.includes(method));
        if (method === "HEAD") assert.equal(answer.text, "");
        else assertProblem(answer, 405, "method-not-allowed");
      });
    }
  }

  const notJson = {
    "an empty body": "",
    "plain text": "hello",
    "an unfinished object": '{"input":{"text":"x"}',
    "text after the object": '{"input":{"text":"x"}} x',
    "two objects": '{"input":{"text":"x"}}{}',
    NaN: '{"input":{"text":NaN}}',
    Infinity: '{"input":{"text":Infinity}}',
    "-Infinity": '{"input":{"text":-Infinity}}',
    "a trailing comma": '{"input":{"text":"x",}}',
    "single quotes": "{'input':{'text':'x'}}",
    "a name without quotes": '{input:{"text":"x"}}',
    "a comment": '{"input":{"text":"x"}/* x */}',
    "a leading zero": '{"input":{"text":01}}',
    "a bare fraction": '{"input":{"text":.5}}',
    "a plus sign": '{"input":{"text":+1}}',
    "a raw line break in a string": '{"input":{"text":"a\nb"}}',
    "an unknown escape": '{"input":{"text":"\\x41"}}',
    "bytes that are not UTF-8": Buffer.from('{"input":{"text":"\xff"}}', "latin1"),
    "nesting without end": `{"input":${"[".repeat(1_500)}`,
  };
  for (const [name, body] of Object.entries(notJson)) {
    test(`a body that is not JSON is 400 invalid-json: ${name}`, async () => {
      assertProblem(await world.run(body), 400, "invalid-json");
      assert.equal(world.upstream.calls.length, 0);
    });
  }

  /** A valid body of exactly that many bytes. */
  function bodyOfSize(bytes) {
    const frame = JSON.stringify({ input: { text: "" } });
    return JSON.stringify({ input: { text: "x".repeat(bytes - frame.length) } });
  }

  test("a body of the largest size is accepted", async () => {
    assert.equal((await world.run(bodyOfSize(MAX_BODY_BYTES))).status, 200);
    assert.equal((await world.run(bodyOfSize(MAX_BODY_BYTES), { chunked: true })).status, 200);
  });

  test("one byte more is 413 body-too-large", async () => {
    assertProblem(await world.run(bodyOfSize(MAX_BODY_BYTES + 1)), 413, "body-too-large");
  });

  test("so it is without a Content-Length", async () => {
    const body = bodyOfSize(MAX_BODY_BYTES + 1);
    assertProblem(await world.run(body, { chunked: true }), 413, "body-too-large");
  });

  test("a size that is only announced is refused before it is sent", async () => {
    const headers = { "content-length": "900000000" };
    const answer = await world.run("{", { headers, unfinished: true });
    assertProblem(answer, 413, "body-too-large");
  });
});

withWorld("the default limit of a body", { store: "embedded" }, (world) => {
  test("is 1 MiB", async () => {
    const frame = JSON.stringify({ input: { text: "" } }).length;
    const body = (bytes) => JSON.stringify({ input: { text: "x".repeat(bytes - frame) } });
    assert.equal((await world.run(body(1024 * 1024))).status, 200);
    assertProblem(await world.run(body(1024 * 1024 + 1)), 413, "body-too-large");
  });

  test("holds a body nested as deep as fits without breaking the Worker", async () => {
    const nested = (name, levels) =>
      `{"input":{"text":"x","${name}":${"[".repeat(levels)}${"]".repeat(levels)}}}`;
    // Two levels are the body and the input; what fits is hashed.
    assert.equal((await world.run(nested("data", 998))).status, 200);
    for (const levels of [999, 200_000]) {
      assertProblem(await world.run(nested("data", levels)), 400, "invalid-json");
    }
    // What is printed may be less deep than what is hashed.
    assert.equal((await world.run(nested("text", 198))).status, 200);
    assertFailure(await world.run(nested("text", 998)), 422, "ValidationError");
    assertProblem(await world.run(`{"input":{"text":${"[".repeat(500_000)}`), 400, "invalid-json");
  });
});

withWorld("the order of checks", { store: "embedded", env }, (world) => {
  const huge = "x".repeat(MAX_BODY_BYTES + 1);
  const foreign = { namespace: "not-mine" };

  test("method before caller", async () => {
    assertProblem(await world.send(RUN, { method: "GET" }), 405, "method-not-allowed");
  });

  test("caller before node", async () => {
    const answer = await world.send("/v1/nodes/nobody/run", { method: "POST", body: "{}" });
    assertProblem(answer, 401, "unauthenticated");
  });

  test("node before body", async () => {
    const headers = { "x-api-key": world.keys.team };
    const answer = await world.send("/v1/nodes/nobody/run", {
      method: "POST",
      body: huge,
      headers,
    });
    assertProblem(answer, 404, "node-not-found");
  });

  test("size before JSON", async () => {
    assertProblem(await world.run(huge), 413, "body-too-large");
  });

  test("fields before namespace", async () => {
    const answer = await world.run({
      input: { text: "x" },
      config: { cache: { ...foreign, ttl: -1 } },
    });
    assert.equal(answer.status, 422);
  });
});
