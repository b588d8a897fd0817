// The build of the Worker: what it leaves alone, what it makes, and what it refuses.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { ROOT } from "./dev-server.mjs";

const GOOD = `connections:
  openai:
    type: dynamiq.connections.OpenAI
    api_key: \${oc.env:OPENAI_API_KEY}
prompts:
  summarize:
    messages:
      - role: user
        content: "Summarize: {{ text }}"
nodes:
  summarizer:
    type: dynamiq.nodes.llms.OpenAI
    model: gpt-4o-mini
    connection: openai
    prompt: summarize
`;

describe("the build", { timeout: 300_000 }, () => {
  /** @param {NodeJS.ProcessEnv} [env] */
  function build(env) {
    return spawnSync(join(ROOT, "scripts/build-worker.sh"), {
      env: { ...process.env, ...env },
      encoding: "utf8",
      timeout: 240_000,
    });
  }

  test("prints the size against its budget, and does nothing again when nothing changed", () => {
    const first = build();
    assert.equal(first.status, 0, first.stderr);
    assert.match(first.stdout, /^bundle \d+\.\d KB gzipped, within the budget of \d+\.0 KB$/m);
    const made = statSync(join(ROOT, "build/index.js")).mtimeMs;
    assert.equal(build().status, 0);
    assert.equal(statSync(join(ROOT, "build/index.js")).mtimeMs, made);
  });

  test("puts what is compiled in beside the Worker, also when nothing is compiled anew", () => {
    const definitions = join(ROOT, "build/definitions.json");
    rmSync(definitions, { force: true });
    assert.equal(build().status, 0);
    const { nodes } = JSON.parse(readFileSync(definitions, "utf8"));
    assert.deepEqual(nodes.map(({ id }) => id).sort(), ["summarizer", "translator"]);
  });

  test("uses SIMD", () => {
    // The module's own list of what it needs.
    assert.ok(readFileSync(join(ROOT, "build/index_bg.wasm")).includes("simd128"));
  });

  test("says what to do when a tool is missing", () => {
    const { status, stderr } = build({ EDGEMEMO_TOOLS: "/nowhere" });
    assert.equal(status, 1);
    assert.match(stderr, /\/nowhere\/worker-build\S* is missing\. Run: make setup/);
  });
});

describe("the build with a workflow that has a mistake", { timeout: 300_000 }, () => {
  let folder;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "edgememo-workflows-"));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function check(yaml) {
    writeFileSync(join(folder, "mine.yaml"), yaml);
    const args = [
      "check",
      "--locked",
      "--target",
      "wasm32-unknown-unknown",
      "--features",
      "worker",
    ];
    return spawnSync("cargo", args, {
      cwd: ROOT,
      env: { ...process.env, EDGEMEMO_WORKFLOWS: folder, CARGO_TERM_COLOR: "never" },
      encoding: "utf8",
      timeout: 240_000,
    });
  }

  test("none: the build goes through", () => {
    const { status, stderr } = check(GOOD);
    assert.equal(status, 0, stderr);
  });

  for (const [mistake, yaml, line, reason] of [
    ["YAML that is none", GOOD.replace("prompts:", "prompts: ["), 5, /./],
    [
      "a type of node that the edge does not run",
      GOOD.replace("llms.OpenAI", "tools.Python"),
      12,
      /Python/,
    ],
    [
      "a prompt that is not there",
      GOOD.replace("prompt: summarize", "prompt: sumarize"),
      15,
      /sumarize/,
    ],
    ["a field that is not known", GOOD.replace("model:", "modle:"), 13, /modle/],
    ["a template that is broken", GOOD.replace("{{ text }}", "{{ text"), 9, /./],
  ]) {
    test(`${mistake}: file, line and reason`, () => {
      const { status, stderr } = check(yaml);
      assert.notEqual(status, 0, "the build went through");
      const error = /mine\.yaml:(\d+):\d+: (.+)/.exec(stderr);
      assert.ok(error, stderr);
      assert.match(error[2], reason);
      // Where a mistake shows may be a line or two below the one that was changed.
      const found = Number(error[1]);
      assert.ok(found >= line && found <= line + 2, `line ${found} was named, not ${line}`);
    });
  }
});
