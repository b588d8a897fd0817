/**
 * One cache, two libraries: the Worker and Dynamiq in Python run the same workflow over one Redis,
 * and each is served what the other stored. Needs Python with `dynamiq`; examples/python/README.md
 * says how to get it.
 */
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { dynamiqVersion, runExample, whyNoPython } from "../support/python.mjs";
import { describeOverRedis } from "../support/redis.mjs";
import { root } from "../support/root.mjs";
import { behaviours } from "../support/upstream.mjs";
import { World } from "../support/world.mjs";

const TITLE = "a Redis shared with Dynamiq in Python";
const GROUP_MS = 300_000;

/** Members of an input, as text: JavaScript's numbers would not survive. */
const INPUTS = {
  "a text": '"text": "hello"',
  "text outside ASCII":
    '"text": "Zürich, \\u6f22字, 😀 \\ud83d\\ude00, \\"quoted\\" \\\\ / \\n \u007f \u2028", "ключ": "é"',
  "integers of any size": '"text": 123456789012345678901234567890, "zero": -0',
  floats: '"text": 1.0, "f": [1e16, 1E-5, -0.0, 0.1, 5e-324, 1.7976931348623157e308, 1e400]',
  "nested objects": '"text": "x", "o": {"b": {"d": 1, "c": [{"z": 1, "a": 2}]}, "a": {}, "": []}',
  "an object in the prompt":
    '"text": {"b": [1.0, 1e16, true, null, "it\'s"], "a": 100000000000000000000}',
  "null, true and false": '"text": null, "t": true, "f": false',
  "a name twice": '"text": "first", "x": 1, "text": "last"',
};

/**
 * What is run: where the Worker runs it, the file and the workflow in which Python finds it, its
 * nodes, and the second of the two switches.
 */
const CASES = {
  "a node, with a namespace and a ttl": {
    path: "/v1/nodes/summarizer/run",
    file: "workflows/summarize.yaml",
    workflow: "summarize",
    nodes: ["summarizer"],
    inputs: INPUTS,
    cache: { namespace: "Zürich:1", ttl: 3600 },
  },
  "a workflow, without namespace and ttl": {
    path: "/v1/workflows/summarize/run",
    file: "workflows/summarize.yaml",
    workflow: "summarize",
    nodes: ["summarizer"],
    inputs: INPUTS,
    cache: { namespace: null, ttl: null },
  },
  "a flow of three nodes, with transformers": {
    path: "/v1/workflows/shared/run",
    file: "tests/workflows/shared.yaml",
    workflows: "tests",
    workflow: "shared",
    nodes: ["shared_first", "shared_second", "shared_third"],
    inputs: INPUTS,
    cache: { namespace: "my-app", ttl: 3600 },
  },
};

const whyNot = whyNoPython();
if (whyNot) test(TITLE, { skip: whyNot });
else describeOverRedis(`${TITLE}, ${dynamiqVersion()}`, { timeout: GROUP_MS }, sharing);

function sharing() {
  for (const [name, { nodes, inputs, cache, ...what }] of Object.entries(CASES)) {
    describe(name, () => {
      const world = new World({ store: "redis", workflows: what.workflows ?? "shipped" });
      before(() => world.start());
      after(() => world.close());
      // The same members in both, told apart by one that names who was first.
      const texts = (first) =>
        Object.values(inputs).map((text) => `{${text}, "first": "${first}"}`);
      const workerFirst = texts("the Worker");
      const pythonFirst = texts("Python");
      /** What a run is told by in messages, and its place. */
      const runs = Object.keys(inputs).flatMap((input, place) =>
        nodes.map((node) => ({ place, node, told: `${input}, ${node}` })),
      );
      const seen = {};

      async function runOnWorker(inputs) {
        const answers = [];
        for (const input of inputs) {
          const { status, text, json } = await world.send(what.path, {
            method: "POST",
            headers: {
              "content-type": "application/json",
              authorization: `Bearer ${world.keys.everyone}`,
            },
            body: `{"input": ${input}, "config": {"cache": ${JSON.stringify(cache)}}}`,
          });
          assert.equal(status, 200, text);
          answers.push(json.cache ? { [nodes[0]]: json } : json.output);
        }
        return answers;
      }

      /** Runs on the Worker, and waits for what is stored after the responses. */
      async function storeFromWorker(inputs) {
        const answers = await runOnWorker(inputs);
        for (const { place, node } of runs) await world.stored(answers[place][node].cache.key);
        return answers;
      }

      // To load the library takes long, so that it is started once.
      before(async () => {
        await world.reset();
        await world.store.client.flushDb();
        world.upstream.behave(echo);
        const calls = world.upstream.calls;

        seen.executed = await storeFromWorker(workerFirst);
        seen.fromWorker = await entries(world);
        calls.length = 0;

        const lines = await runExample([...workerFirst, ...pythonFirst], {
          args: [
            ...["--workflow", path.join(root, what.file), "--id", what.workflow],
            ...(cache.namespace === null ? [] : ["--namespace", cache.namespace]),
            ...(cache.ttl === null ? [] : ["--ttl", String(cache.ttl)]),
          ],
          env: {
            REDIS_URL: world.store.client.options.url,
            OPENAI_URL: world.upstream.url,
            OPENAI_API_KEY: world.upstream.key,
          },
        });
        const results = lines.map(({ nodes }) => nodes);
        seen.served = results.slice(0, workerFirst.length);
        seen.stored = results.slice(workerFirst.length);
        seen.pythonCalls = calls.length;
        seen.fromBoth = await entries(world);
        calls.length = 0;

        seen.hits = await runOnWorker(pythonFirst);
        seen.callsOfHits = calls.length;

        // The other way round: now the Worker stores what Python had stored.
        await world.store.client.flushDb();
        await storeFromWorker(pythonFirst);
        seen.again = await entries(world);
      });

      test("Python is served what the Worker stored, with the same output", () => {
        for (const { place, node, told } of runs) {
          const { status, output, is_output_from_cache } = seen.served[place][node];
          assert.deepEqual([status, is_output_from_cache], ["success", true], told);
          assert.deepEqual(output, seen.executed[place][node].output, told);
        }
      });

      test("Python asks the model for the others only, and leaves the Worker's entries alone", () => {
        assert.equal(seen.pythonCalls, runs.length);
        for (const [key, entry] of seen.fromWorker) {
          assert.deepEqual(seen.fromBoth.get(key).value, entry.value);
        }
        assert.equal(seen.fromBoth.size, 2 * runs.length);
      });

      test("the Worker answers HIT with what Python stored, and does not ask the model", () => {
        for (const { place, node, told } of runs) {
          const { status, output, is_output_from_cache } = seen.stored[place][node];
          assert.deepEqual([status, is_output_from_cache], ["success", false], told);
          assert.equal(seen.hits[place][node].cache.status, "hit", told);
          assert.deepEqual(seen.hits[place][node].output, output, told);
        }
        assert.equal(seen.callsOfHits, 0);
      });

      test("both store the same bytes under the same keys, for as long", () => {
        const ofPython = new Map([...seen.fromBoth].filter(([key]) => !seen.fromWorker.has(key)));
        assert.deepEqual([...seen.again.keys()].sort(), [...ofPython.keys()].sort());
        for (const [key, { value }] of seen.again) assert.deepEqual(ofPython.get(key).value, value);
        for (const { ttl } of [...ofPython.values(), ...seen.again.values()]) {
          if (cache.ttl === null) assert.equal(ttl, -1);
          else assert.ok(ttl > cache.ttl - 120 && ttl <= cache.ttl, `${ttl} s`);
        }
      });
    });
  }
}

/** Answers with the prompt: equal outputs then also mean that both sent the same. */
function echo(call, response) {
  const [{ content }] = JSON.parse(call.text).messages;
  behaviours.answer(`You said: ${content}`)(call, response);
}

/** What lies in the Redis, by key: the bytes of the value, and the seconds left. */
async function entries(world) {
  const found = new Map();
  for (const [key, value] of await world.store.dump()) {
    found.set(key.toString(), { value, ttl: await world.store.client.ttl(key.toString()) });
  }
  return found;
}
