// The parts of the scripts that only compute.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { demoAnswer } from "../../scripts/lib/demo-model.mjs";
import {
  describeCallers,
  describeModel,
  describeStore,
  isInsecure,
  readDevVars,
  usesRedis,
  wantsDemoModel,
} from "../../scripts/lib/dev-vars.mjs";
import { members, startGroup, stopGroup } from "../../scripts/lib/group.mjs";
import { cargoTally, nodeTally } from "../../scripts/lib/tally.mjs";
import { ReadableOutput } from "../../scripts/lib/wrangler.mjs";

describe("the demo model's answer", () => {
  test("says that it is a demo, and what it was asked about", () => {
    const prompt = "Summarize in one sentence: hello";
    assert.equal(demoAnswer(prompt), "[demo model] One sentence about: hello");
    assert.equal(demoAnswer("hello"), "[demo model] One sentence about: hello");
    assert.equal(
      demoAnswer("Translate into German: hello"),
      "[demo model] A translation into German of: hello",
    );
  });

  test("has the first words of a long text, and differs for texts that differ there", () => {
    const text = Array.from({ length: 50 }, (_, n) => `word${n}`).join(" ");
    const answer = demoAnswer(`Summarize: ${text}`);
    assert.match(answer, /word0 .* word11 …$/);
    assert.notEqual(answer, demoAnswer(`Summarize: other ${text}`));
  });

  test("is one also to a prompt about nothing", () => {
    assert.match(demoAnswer("Summarize in one sentence:  "), /^\[demo model\] ./);
    assert.match(demoAnswer("Translate into German:  "), /^\[demo model\] .*German/);
  });
});

describe("what .dev.vars asks for", () => {
  test("nothing: the embedded store, the demo model, everybody on this machine", () => {
    assert.match(describeStore({}), /^embedded/);
    assert.match(describeStore({ CACHE_MEMORY_MB: "8" }), /^embedded.*, behind 8 MiB of memory$/);
    assert.doesNotMatch(describeStore({ CACHE_MEMORY_MB: "0" }), /memory/);
    assert.ok(wantsDemoModel({}));
    assert.match(describeModel({}), /^demo model/);
    assert.ok(isInsecure({}));
    assert.match(describeCallers({}), /without a key/);
  });

  test("Redis by either pair of names, told without what is secret", () => {
    const url = "https://user:secret@eu.redis.example/path";
    for (const [name, token] of [
      ["UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN"],
      ["KV_REST_API_URL", "KV_REST_API_TOKEN"],
    ]) {
      const text = describeStore({ [name]: url, [token]: "secret" });
      assert.match(text, /eu\.redis\.example/);
      assert.doesNotMatch(text, /secret/);
    }
  });

  test("Redis over TCP, as a URL or in parts, told without what is secret", () => {
    for (const vars of [
      { REDIS_URL: "rediss://me:secret@eu.redis.example:7000/2" },
      { REDIS_HOST: "eu.redis.example", REDIS_PORT: "7000", REDIS_PASSWORD: "secret" },
    ]) {
      const text = describeStore(vars);
      assert.match(text, /Redis at eu\.redis\.example:7000, over TCP/);
      assert.doesNotMatch(text, /secret/);
      assert.ok(usesRedis(vars));
    }
    assert.match(describeStore({ REDIS_PASSWORD: "secret" }), /REDIS_HOST is missing/);
  });

  test("two stores: names both", () => {
    const rest = { UPSTASH_REDIS_REST_URL: "https://x", UPSTASH_REDIS_REST_TOKEN: "x" };
    const vars = { ...rest, REDIS_URL: "redis://x" };
    assert.match(describeStore(vars), /UPSTASH_REDIS_REST_URL and REDIS_URL/);
    assert.ok(!usesRedis(vars));
  });

  test("half a Redis: names the other half", () => {
    assert.match(describeStore({ UPSTASH_REDIS_REST_URL: "x" }), /UPSTASH_REDIS_REST_TOKEN/);
    assert.match(describeStore({ KV_REST_API_TOKEN: "x" }), /KV_REST_API_URL/);
  });

  test("a provider: no demo model, also when only its URL or only its key is there", () => {
    assert.match(describeModel({ OPENAI_API_KEY: "k" }), /^api\.openai\.com/);
    const url = "http://127.0.0.1:11434/v1";
    assert.match(describeModel({ OPENAI_API_KEY: "k", OPENAI_URL: url }), /^127\.0\.0\.1:11434/);
    assert.ok(!wantsDemoModel({ OPENAI_URL: url }));
    assert.match(describeModel({ OPENAI_URL: url }), /OPENAI_API_KEY is missing/);
  });

  test("callers with keys", () => {
    const vars = { EDGEMEMO_INSECURE: "false" };
    assert.ok(!isInsecure(vars));
    assert.match(describeCallers(vars), /no EDGEMEMO_API_KEYS/);
    assert.match(describeCallers({ ...vars, EDGEMEMO_API_KEYS: "[]" }), /holders of a key/);
  });

  test("is read as wrangler reads it; empty settings count as not given", () => {
    const folder = mkdtempSync(join(tmpdir(), "edgememo-vars-"));
    try {
      const file = join(folder, ".dev.vars");
      assert.deepEqual(readDevVars(file), {});
      writeFileSync(file, "# no\nOPENAI_API_KEY=\nCACHE_TTL=60 # a minute\nJSON='[{\"a\": 1}]'\n");
      assert.deepEqual(readDevVars(file), { CACHE_TTL: "60", JSON: '[{"a": 1}]' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("wrangler's output", () => {
  async function readable(...chunks) {
    const output = new ReadableOutput();
    for (const chunk of chunks) output.write(chunk);
    output.end();
    return (await output.toArray()).join("");
  }

  test("loses its prefixes and its noise, and nothing else", async () => {
    const text = await readable(
      "[custom build] \n[custom build] error[E0425]: cannot find value `x`\n",
      "[custom build]   --> src/lib.rs:1:1\n",
      "\u001b[34m[custom build]\u001b[39m    Compiling edgememo v0.1.0\n",
      "Your Worker has access to the following bindings:\nenv.EMBEDDED (EmbeddedShard)  x\n",
      "[wrangler:info] GET /healthz 200 OK (9ms)\n[wrangler:info] GET /v1/nodes 200 OK (9ms)\n",
    );
    assert.equal(
      text,
      "error[E0425]: cannot find value `x`\n  --> src/lib.rs:1:1\n   Compiling edgememo v0.1.0\n" +
        "[wrangler:info] GET /v1/nodes 200 OK (9ms)\n",
    );
  });

  test("is cut into lines wherever the pieces end, within a character too", async () => {
    const bytes = Buffer.from("grüße\nzwei");
    const pieces = Array.from(bytes, (byte) => Buffer.from([byte]));
    assert.equal(await readable(...pieces), "grüße\nzwei\n");
  });

  test("tells a failed build once, without the dump of the failure", async () => {
    const text = await readable(
      "[custom build] error: expected one of `!`\n",
      "✘ [ERROR] k [Error]: Process exited with non-zero status (1)\n\n      at run (cli.js:1:1) {\n",
      "    output: {\n      stderr: 'error: expected one of'\n    }\n  }\n\n\n",
      "✘ [ERROR] Running custom build `scripts/build-worker.sh` failed. More above.\n",
      "after\n",
    );
    assert.equal(
      text,
      "error: expected one of `!`\nThe build failed (see above); saving a change builds again.\nafter\n",
    );
  });
});

describe("the sum over all tests", () => {
  test("of cargo test: every binary's line, coloured or not; ignored ones are skipped", () => {
    const output = [
      "running 3 tests",
      "test key::tests::a ... ok",
      "test key::tests::b ... ignored, needs a network",
      "test result: \u001b[32mok\u001b[m. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
      "test result: FAILED. 4 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out",
    ].join("\n");
    assert.deepEqual(cargoTally(output), {
      passed: 6,
      failed: 3,
      skipped: 1,
      notes: [{ name: "key::tests::b", reason: "needs a network" }],
    });
  });

  test("of node --test, as its own reporter tells it", () => {
    const folder = mkdtempSync(join(tmpdir(), "edgememo-tally-"));
    try {
      const file = join(folder, "some.test.mjs");
      writeFileSync(
        file,
        `import { describe, test } from "node:test";
         test("good", () => {});
         test("bad", () => { throw new Error("no"); });
         test("left out", { skip: "no such program" }, () => {});
         describe("a group", { skip: "no such server" }, () => { test("one", () => {}); });`,
      );
      const reporter = fileURLToPath(
        new URL("../../scripts/lib/tally-reporter.mjs", import.meta.url),
      );
      // Within a run of tests, node --test would report to that run instead.
      const { NODE_TEST_CONTEXT: _, ...env } = process.env;
      const { stdout } = spawnSync(
        process.execPath,
        ["--test", `--test-reporter=${reporter}`, file],
        { encoding: "utf8", env, timeout: 30_000 },
      );
      const { notes, ...counts } = nodeTally(stdout);
      assert.deepEqual(counts, { passed: 1, failed: 1, skipped: 2 });
      assert.deepEqual(
        notes.map(({ name, reason }) => [name, reason]),
        [
          ["left out", "no such program"],
          ["a group", "no such server"],
        ],
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("of a runner that did not get as far as its summary is nothing", () => {
    assert.equal(nodeTally("").passed, 0);
    assert.equal(cargoTally("error: could not compile").passed, 0);
  });
});

describe("a group of processes", { timeout: 30_000 }, () => {
  const running = (group) => members(group.id).filter(({ command }) => /^sleep/.test(command));

  async function started(script, count) {
    const group = startGroup("sh", ["-c", script]);
    for (let tries = 0; running(group).length < count && tries < 200; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    assert.equal(running(group).length, count);
    return group;
  }

  test("ends as a whole, children of children too", async () => {
    const group = await started("sh -c 'sleep 60 & sleep 60' & sleep 60", 3);
    assert.ok(await stopGroup(group));
    assert.deepEqual(members(group.id), []);
  });

  test("ends also when it does not want to", async () => {
    const group = await started("trap '' TERM; while :; do sleep 60; done", 1);
    assert.ok(await stopGroup(group, 300));
    assert.deepEqual(members(group.id), []);
  });

  test("tells how its command ended", async () => {
    assert.equal(await startGroup("sh", ["-c", "exit 7"]).ended, 7);
    assert.equal(await startGroup("sh", ["-c", "kill -TERM $$"]).ended, 143);
  });
});
