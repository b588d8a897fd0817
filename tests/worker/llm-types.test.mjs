/** Nodes that call language models: each way in which providers are spoken to, and fallbacks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertFailure, assertProblem } from "../support/assertions.mjs";
import { secret } from "../support/canary.mjs";
import { behaviours, completion, message } from "../support/upstream.mjs";
import { base64, overBothStores, uniqueText, withWorld } from "../support/world.mjs";

const CACHE = { namespace: "my-app", ttl: 3600 };
const keys = { anthropic: secret("anthropic-key"), azure: secret("azure-key") };

const options = {
  workflows: "tests",
  ai: true,
  env: ({ upstream }) => ({
    ANTHROPIC_API_KEY: keys.anthropic,
    ANTHROPIC_API_BASE: upstream.origin,
    AZURE_API_KEY: keys.azure,
    AZURE_URL: upstream.origin,
    AZURE_API_VERSION: "2024-10-21",
  }),
};

const given = (text, more = {}) => ({ input: { text }, config: { cache: CACHE }, ...more });
const body = (call) => JSON.parse(call.text);
const names = (json) => json.trace.map(({ event, node_id }) => `${event} ${node_id}`);
const failing = (status, text) => behaviours.fail(status, { error: { message: text } });

/** A tool's call as OpenAI has it. */
const call = {
  id: "call_abc123",
  type: "function",
  function: { name: "get_weather", arguments: '{"city": "Kyiv", "days": 2.0}' },
};

overBothStores("a language model", options, (world) => {
  /** Runs a node twice: one call of the upstream, then a hit with the same output. */
  async function runTwice(node, text) {
    const first = await world.run(given(text), { node });
    assert.equal(first.status, 200, first.text);
    const stored = await world.stored(first.json.cache.key);
    const calls = world.upstream.calls.length;
    const second = await world.run(given(text), { node });
    assert.equal(second.json.is_output_from_cache, true);
    assert.deepEqual(second.json.output, first.json.output);
    assert.equal(world.upstream.calls.length, calls);
    return { output: first.json.output, key: first.json.cache.key, stored };
  }

  test("with tools gives and stores what Dynamiq does", async () => {
    const answer = completion(null);
    answer.choices[0].message.tool_calls = [call];
    world.upstream.behave(behaviours.body(JSON.stringify(answer)));
    const { key, stored } = await runTwice("tooler", "hello");
    const [asked] = world.upstream.calls.map(body);
    assert.deepEqual(Object.keys(asked.tools[0].function.parameters.properties), ["city", "days"]);
    assert.match(world.upstream.calls[0].text, /"minimum": 1\.0/);
    assert.deepEqual([asked.tool_choice, asked.parallel_tool_calls], ["auto", false]);
    // dynamiq-runs.json, llm-tools.
    assert.match(
      key,
      /^my-app:tooler:fe63cf9369e847eaac71392cbe7f78a0e9cab4dc2f21e96af4ce478e3ac7/,
    );
    assert.equal(
      stored,
      base64(
        '{"content": null, "tool_calls": [{"function": {"arguments": {"city": "Kyiv", "days": 2.0}, "name": "get_weather"}, "id": "call_abc123", "type": "function"}]}',
      ),
    );
  });

  test("with a response_format gives a text, as Dynamiq does", async () => {
    world.upstream.behave(behaviours.answer('{"summary": "x", "score": 1.0}'));
    const { stored } = await runTwice("structured", "hello");
    const [asked] = world.upstream.calls.map(body);
    assert.equal(asked.response_format.json_schema.name, "summary");
    assert.ok(!("tools" in asked) && !("tool_choice" in asked));
    // dynamiq-runs.json, llm-response-format.
    assert.equal(stored, base64('{"content": "{\\"summary\\": \\"x\\", \\"score\\": 1.0}"}'));
  });

  test("of Anthropic is asked in Anthropic's form and answers in Dynamiq's", async () => {
    const text = uniqueText();
    const blocks = [
      { type: "text", text: "Let me see. " },
      { type: "tool_use", id: "toolu_1", name: "get_weather", input: { city: "Kyiv" } },
    ];
    world.upstream.behave(behaviours.body(JSON.stringify(message(blocks))));
    const { output, stored } = await runTwice("claude", text);
    assert.deepEqual(output.content, "Let me see. ");
    assert.equal(
      stored,
      base64(
        '{"content": "Let me see. ", "tool_calls": [{"index": 1, "function": {"arguments": {"city": "Kyiv"}, "name": "get_weather"}, "id": "toolu_1", "type": "function"}]}',
      ),
    );
    const [asked] = world.upstream.calls;
    assert.equal(asked.path, "/v1/messages");
    assert.equal(asked.headers["x-api-key"], keys.anthropic);
    assert.equal(asked.headers["anthropic-version"], "2023-06-01");
    assert.equal(asked.headers.authorization, undefined);
    const { tools, ...rest } = body(asked);
    assert.deepEqual(rest, {
      model: "claude-sonnet-4-5",
      messages: [{ role: "user", content: [{ type: "text", text }] }],
      stop_sequences: ["END"],
      max_tokens: 64000,
      tool_choice: { type: "any" },
      system: [{ type: "text", text: "Be short." }],
    });
    assert.deepEqual(tools.map(Object.keys), [["name", "input_schema", "type", "description"]]);
  });

  test("of Azure is asked at its deployment, with the key in a header of its own", async () => {
    await runTwice("deployed", uniqueText());
    const [asked] = world.upstream.calls;
    assert.equal(
      asked.path,
      "/openai/deployments/my%20deployment/chat/completions?api-version=2024-10-21",
    );
    assert.equal(asked.headers["api-key"], keys.azure);
    assert.equal(asked.headers.authorization, undefined);
    assert.equal(body(asked).temperature, 0.5);
  });

  test("of Workers AI is asked through the binding, and not at all on a hit", async () => {
    const text = uniqueText();
    const { output } = await runTwice("bound", text);
    assert.equal(world.upstream.calls.length, 0);
    const { model, inputs } = JSON.parse(output.content);
    assert.equal(model, "@cf/meta/llama-3.1-8b-instruct");
    assert.deepEqual(Object.keys(inputs), ["messages", "max_tokens", "response_format"]);
    assert.deepEqual(inputs.messages.at(-1), { content: text, role: "user" });
  });

  test("of Workers AI that fails is a failure with Cloudflare's words", async () => {
    const failed = await world.run(given("3040"), { node: "bound" });
    assertFailure(failed, 502, "UpstreamError");
    assert.match(failed.json.error.message, /^Workers AI failed: 3040: Capacity/);
  });

  for (const node of ["claude", "deployed"]) {
    test(`keeps the key of ${node} to itself when the provider repeats it`, async () => {
      world.upstream.behave(behaviours.refuseAndEcho());
      const refused = await world.run(given(uniqueText()), { node });
      assertFailure(refused, 502, "UpstreamError");
      assert.match(refused.json.error.message, /refused the key with status 401/);
      const header = node === "claude" ? "x-api-key" : "api-key";
      world.upstream.behave((call, response) =>
        failing(500, `for ${call.headers[header]}`)(call, response),
      );
      const broken = await world.run(given(uniqueText()), { node });
      assert.match(broken.json.error.message, /for \[redacted\]$/);
    });
  }

  test("hands over to its fallback when its attempts are used up, and stores nothing", async () => {
    const text = uniqueText();
    const good = behaviours.answer("from the second");
    world.upstream.behave((call, response) =>
      (call.path === "/v1/messages" ? good : failing(500, "oops"))(call, response),
    );
    const first = await world.run(given(text, { trace: true }), { node: "guarded" });
    assert.equal(first.status, 200, first.text);
    // The output goes through the transformer of the first.
    assert.equal(first.json.output, "from the second");
    assert.match(first.headers["cache-status"], /^edgememo; fwd=miss; detail=fallback;/);
    const models = () => world.upstream.calls.map((call) => body(call).model);
    assert.deepEqual(models(), ["first", "first", "claude"]);
    const tried = (id) => [`node_execute_start ${id}`, `node_execute_run ${id}`];
    const failed = [...tried("guarded"), "node_execute_error guarded"];
    assert.deepEqual(names(first.json), [
      "node_start guarded",
      ...failed,
      ...failed,
      "node_error guarded",
      "node_start second",
      ...tried("second"),
      "node_execute_run second",
      "node_execute_end second",
      "node_end second",
      "cache_write guarded",
    ]);
    assert.equal(first.json.trace.at(-1).outcome, "not-admissible");
    // When a later write has landed, an earlier one has.
    world.upstream.reset();
    await runTwice("deployed", uniqueText());
    // The first works again, and what it says is what is kept.
    world.upstream.reset();
    const second = await world.run(given(text), { node: "guarded" });
    assert.deepEqual([second.json.is_output_from_cache, models()], [false, ["first"]]);
  });

  test("fails as the first did when its fallback fails too", async () => {
    world.upstream.behave((call, response) =>
      failing(500, call.path === "/v1/messages" ? "second" : "first")(call, response),
    );
    const failed = await world.run(given(uniqueText()), { node: "guarded" });
    assertFailure(failed, 502, "UpstreamError");
    assert.match(failed.json.error.message, /: first$/);
  });

  test("hands over after those failures only that the triggers name", async () => {
    const calls = async (failure) => {
      world.upstream.reset();
      world.upstream.behave(failure);
      await world.run(given(uniqueText()), { node: "guarded" });
      return world.upstream.calls.length;
    };
    assert.equal(await calls(failing(400, "no")), 1);
    assert.equal(await calls(failing(429, "slow")), 3);
    assert.equal(await calls(behaviours.reset()), 3);
  });

  test("does not hand over an input that is not valid", async () => {
    const refused = await world.run({ input: {} }, { node: "guarded" });
    assertFailure(refused, 422, "ValidationError");
    assert.equal(world.upstream.calls.length, 0);
  });

  test("is listed with its model, and without where it is", async () => {
    const { json, text } = await world.send("/v1/nodes", {
      headers: { authorization: `Bearer ${world.keys.team}` },
    });
    const listed = json.nodes.find((node) => node.id === "claude");
    assert.deepEqual(
      [listed.type, listed.model, listed.input],
      ["dynamiq.nodes.llms.Anthropic", "claude-sonnet-4-5", ["text"]],
    );
    assert.ok(!text.includes(world.upstream.origin));
  });
});

withWorld("a language model without what it needs", { workflows: "tests" }, (world) => {
  test("names the variable of its key, or of its fallback's", async () => {
    for (const node of ["claude", "guarded"]) {
      const refused = await world.run(given(uniqueText()), { node });
      assertProblem(refused, 503, "provider-key-missing");
      assert.match(refused.json.detail, /ANTHROPIC_API_KEY/);
    }
  });

  test("says which binding is missing, and how to get it", async () => {
    const refused = await world.run(given(uniqueText()), { node: "bound" });
    assertFailure(refused, 502, "UpstreamError");
    assert.match(refused.json.error.message, /no binding `AI`.*--env workers-ai/);
  });
});
