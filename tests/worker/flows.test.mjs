/** Workflows: which node runs when, what it is given, what it leaves behind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertProblem } from "../support/assertions.mjs";
import { faults } from "../support/upstash-front.mjs";
import { behaviours } from "../support/upstream.mjs";
import { overBothStores, uniqueText, withWorld } from "../support/world.mjs";

const CACHE = { namespace: "my-app", ttl: 3600 };
const NO_KWARGS = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

const given = (text, more = {}) => ({ input: { text }, config: { cache: CACHE }, ...more });
const asked = (call) => JSON.parse(call.text).messages[0].content;
const statuses = (json) =>
  Object.fromEntries(Object.entries(json.output).map(([id, node]) => [id, node.status]));
const events = (json) =>
  json.trace.map(({ event, node_id }) => (node_id ? `${event} ${node_id}` : event));
const writesOf = (json) => events(json).filter((event) => event.startsWith("cache_write"));

/** Answers the nodes in turn. */
const inTurn =
  (...contents) =>
  (call, response) =>
    behaviours.answer(contents[call.number - 1])(call, response);

overBothStores("a workflow", { workflows: "tests" }, (world) => {
  test("runs two cached nodes as Dynamiq does, and then calls nobody", async () => {
    world.upstream.behave(inTurn("A short summary.", "A short summary. (again)"));
    const first = await world.runWorkflow("two", given("hello", { trace: true }));
    assert.equal(first.status, 200);
    assert.deepEqual(statuses(first.json), { A: "success", B: "success" });
    assert.deepEqual(world.upstream.calls.map(asked), ["hello", "hello A short summary."]);
    assert.equal(first.headers["cache-status"], "edgememo; fwd=miss; detail=store-scheduled");
    const executed = (id) =>
      ["start", "execute_start", "execute_run", "execute_run", "execute_end", "end"].map(
        (step) => `node_${step} ${id}`,
      );
    assert.deepEqual(events(first.json), [
      "workflow_start",
      "flow_start",
      ...executed("A"),
      ...executed("B"),
      "flow_end",
      "workflow_end",
      ...writesOf(first.json),
    ]);
    assert.deepEqual(writesOf(first.json).toSorted(), ["cache_write A", "cache_write B"]);
    // The keys that Dynamiq's library computed (dynamiq-runs.json, two-nodes-both-cached).
    const keys = {
      A: `my-app:A:fe63cf9369e847eaac71392cbe7f78a0e9cab4dc2f21e96af4ce478e3ac7bb1b:${NO_KWARGS}`,
      B: `my-app:B:53339ffb3c863db05c446560892cab4934e69f138670aa6f0da73a81df9fc69a:${NO_KWARGS}`,
    };
    for (const [id, key] of Object.entries(keys)) {
      assert.equal(first.json.output[id].cache.key, key);
      await world.stored(key);
    }

    world.upstream.reset();
    const second = await world.runWorkflow("two", given("hello", { trace: true }));
    assert.equal(world.upstream.calls.length, 0);
    assert.equal(second.headers["cache-status"], "edgememo; hit");
    assert.equal(second.json.is_output_from_cache, true);
    for (const id of ["A", "B"]) {
      assert.equal(second.json.output[id].is_output_from_cache, true);
      assert.deepEqual(second.json.output[id].output, first.json.output[id].output);
    }
    assert.deepEqual(events(second.json), [
      "workflow_start",
      "flow_start",
      "node_start A",
      "node_end A",
      "node_start B",
      "node_end B",
      "flow_end",
      "workflow_end",
    ]);
  });

  test("hands a node's output on through transformers, and stores what it was before", async () => {
    const text = uniqueText();
    world.upstream.behave(inTurn("A draft.", "Good."));
    const first = await world.runWorkflow("reviewed", given(text));
    const { review } = first.json.output;
    assert.deepEqual(review.input, { text: "A draft.", asked: text, language: "German" });
    assert.deepEqual(review.output, { verdict: "Good." });
    assert.equal(asked(world.upstream.calls[1]), "A draft.");
    const stored = await world.stored(review.cache.key);
    assert.equal(Buffer.from(stored, "base64").toString(), '{"content": "Good."}');
    const second = await world.runWorkflow("reviewed", given(text));
    assert.equal(second.json.output.review.is_output_from_cache, true);
    assert.deepEqual(second.json.output.review.output, { verdict: "Good." });
  });

  test("skips what depends on a failure, runs the rest, and says which node failed", async () => {
    const text = uniqueText();
    world.upstream.behave((call, response) =>
      (call.number === 1
        ? behaviours.fail(500, { error: { message: "oops" } })
        : behaviours.answer())(call, response),
    );
    const { status, json } = await world.runWorkflow("broken", given(text, { trace: true }));
    assert.equal(status, 502);
    assert.equal(json.status, "failure");
    assert.deepEqual(statuses(json), {
      failing: "failure",
      "after-failing": "skip",
      "after-skipped": "skip",
      beside: "success",
    });
    assert.deepEqual(json.error, {
      type: "FlowNodeFailureException",
      message: "Flow execution failed due to node failures: First",
      recoverable: false,
      failed_nodes: [
        {
          id: "failing",
          name: "First",
          error_message: "the provider answered with status 500: oops",
        },
      ],
    });
    const errors = ["after-failing", "after-skipped"].map((id) => json.output[id].error);
    assert.deepEqual(
      errors.map(({ type, message }) => [type, message]),
      [
        ["NodeFailedException", "Dependency failing: failed"],
        ["NodeSkippedException", "Dependency after-failing: skipped"],
      ],
    );
    const told = events(json);
    assert.ok(told.includes("node_error failing") && told.includes("node_skip after-skipped"));
    assert.deepEqual(told.slice(-4, -2), ["flow_error", "workflow_error"]);
    const writes = ["cache_write beside", "cache_write failing"];
    assert.deepEqual(told.slice(-2).toSorted(), writes);
    await world.stored(json.output.beside.cache.key);
    assert.equal(await world.store.get(json.output.failing.cache.key), null);
  });

  test("lets a node see a failure that is to be returned", async () => {
    world.upstream.behave((call, response) =>
      (call.number === 1 ? behaviours.fail(500, "no") : behaviours.answer())(call, response),
    );
    const { status, json } = await world.runWorkflow("tolerant", given(uniqueText()));
    assert.equal(status, 200);
    assert.deepEqual(statuses(json), { tolerated: "failure", "after-tolerated": "success" });
    assert.deepEqual(json.output["after-tolerated"].input, {
      text: "UpstreamError",
      status: "failure",
    });
  });

  test("counts a failure as handled when a node waited for it", async () => {
    world.upstream.behave((call, response) =>
      (call.number === 1 ? behaviours.fail(500, "no") : behaviours.answer())(call, response),
    );
    const rescued = await world.runWorkflow("rescued", given(uniqueText()));
    assert.equal(rescued.status, 200);
    assert.deepEqual(statuses(rescued.json), { failing: "failure", rescue: "success" });
    world.upstream.reset();
    const well = await world.runWorkflow("rescued", given(uniqueText()));
    assert.deepEqual(statuses(well.json), { failing: "success", rescue: "skip" });
    assert.equal(well.status, 200);
  });

  test("runs past a cache that it was not told to use", async () => {
    const { json, headers } = await world.runWorkflow("two", { input: { text: uniqueText() } });
    assert.equal(headers["cache-status"], "edgememo; fwd=bypass; detail=no-cache-config");
    assert.equal(json.is_output_from_cache, false);
    assert.deepEqual([json.output.A.cache.key, json.output.B.cache.key], [null, null]);
  });

  test("fails a node whose input lacks a variable, without calling anybody", async () => {
    const { status, json } = await world.runWorkflow("two", { input: { txt: 1 } });
    assert.equal(status, 422);
    assert.deepEqual(statuses(json), { A: "failure", B: "skip" });
    assert.match(json.error.failed_nodes[0].error_message, /input\.text is missing/);
    assert.equal(world.upstream.calls.length, 0);
  });

  test("refuses a request that it cannot read, as a node does", async () => {
    const { status, json } = await world.runWorkflow("two", { input: {}, config: { cash: {} } });
    assert.equal(status, 422);
    assert.deepEqual(
      [json.status, json.output, json.error.type],
      ["failure", null, "ValidationError"],
    );
    assert.match(json.error.message, /config\.cash/);
    assertProblem(await world.runWorkflow("nothing", given("x")), 404, "workflow-not-found");
    assertProblem(await world.send("/v1/workflows/two/run"), 405, "method-not-allowed");
    assertProblem(
      await world.runWorkflow("two", given("x"), { key: null }),
      401,
      "unauthenticated",
    );
    const foreign = { input: { text: "x" }, config: { cache: { namespace: "other" } } };
    assertProblem(await world.runWorkflow("two", foreign), 403, "namespace-forbidden");
  });

  test("is listed with what it needs and what it is made of", async () => {
    const headers = { authorization: `Bearer ${world.keys.team}` };
    const { json } = await world.send("/v1/workflows", { headers });
    const two = json.workflows.find(({ id }) => id === "two");
    assert.deepEqual(two, {
      id: "two",
      flow: "two",
      input: ["text"],
      nodes: [
        { id: "A", depends: [] },
        { id: "B", depends: ["A"] },
      ],
    });
    assertProblem(await world.send("/v1/workflows"), 401, "unauthenticated");
  });

  test("runs a node that depends on others only in its flow", async () => {
    const { status, json } = await world.run(given(uniqueText()), { node: "B" });
    assert.equal(status, 422);
    assert.deepEqual([json.status, json.error.message], ["skip", "Dependency A: result missed"]);
  });
});

withWorld("a workflow of ten nodes", { workflows: "tests" }, (world) => {
  /** How many requests a front has open at once, at most. */
  function gauge() {
    const open = { now: 0, most: 0, all: 0 };
    const begin = (response) => {
      open.all += 1;
      open.now += 1;
      open.most = Math.max(open.most, open.now);
      response.once("close", () => {
        open.now -= 1;
      });
    };
    return { open, begin };
  }

  test("has four nodes execute and six connections open at once, and few subrequests", async (t) => {
    const [both, executing] = [gauge(), gauge()];
    const answer = behaviours.answer();
    world.upstream.behave((call, response) => {
      both.begin(response);
      executing.begin(response);
      setTimeout(() => answer(call, response), 100);
    });
    world.store.front.fail((response, execute) => {
      both.begin(response);
      setTimeout(execute, 50);
    });
    const text = uniqueText();
    const { status, json } = await world.runWorkflow("ten", given(text));
    assert.equal(status, 200);
    assert.equal(Object.keys(json.output).length, 10);
    for (const id of Object.keys(json.output)) await world.stored(json.output[id].cache.key);
    const { most, all } = both.open;
    t.diagnostic(`open at once: ${most}, executing: ${executing.open.most}, all: ${all}`);
    assert.equal(executing.open.most, 4);
    assert.ok(both.open.most <= 6);
    // A lookup, a lease, an execution and a write for each: fewer than the 50 of the free plan.
    assert.equal(both.open.all, 40);
    assert.deepEqual(Object.keys(json.output["ten-last"].input), [
      "text",
      "ten-first",
      ...[1, 2, 3, 4, 5, 6, 7, 8].map((n) => `ten-${n}`),
    ]);
  });

  test("stores what they gave before Workers end what comes after a response, also slowly", async () => {
    world.upstream.behave(behaviours.answer("Good."));
    world.store.front.fail(faults.slow(600), { only: "SETEX" });
    const { status, json } = await world.runWorkflow("ten", given(uniqueText()));
    assert.equal(status, 200);
    const started = Date.now();
    for (const { cache } of Object.values(json.output)) await world.stored(cache.key);
    assert.ok(Date.now() - started < 4_000, `${Date.now() - started} ms`);
  });
});
