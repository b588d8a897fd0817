// `make dev` after a definition changed, and `make purge`.
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { Changes, purgeLine } from "../../scripts/lib/changed.mjs";
import { DEFINITIONS, fingerprints, Memory } from "../../scripts/lib/definitions.mjs";
import { entriesOf, isEntryOf } from "../../scripts/lib/entries.mjs";
import { describeOverRedis } from "../support/redis.mjs";
import { respFaults } from "../support/resp-front.mjs";
import { startStore } from "../support/stores.mjs";
import { faults } from "../support/upstash-front.mjs";
import { DevServer, ROOT } from "./dev-server.mjs";

const LIMIT = { timeout: 180_000 };
const HASHES = `${"0".repeat(64)}:${"a".repeat(64)}`;
const CHANGED = /a node's definition has changed since the last start/;

/** Another definition at the last start than the one that is built. */
function pretendChange(state, store, ids = ["summarizer"]) {
  new Memory(state, store).keep(Object.fromEntries(ids.map((id) => [id, "another"])));
}

/** Runs a printed line as a user does. @param {string} line */
async function shell(line) {
  const { stdout, stderr } = await promisify(execFile)("sh", ["-c", line], { cwd: ROOT });
  return stdout + stderr;
}

describe("make dev after a definition changed", LIMIT, () => {
  const folder = mkdtempSync(join(tmpdir(), "edgememo-changed-"));
  const state = join(folder, "state");
  let dev;
  let url;

  async function start() {
    dev = new DevServer({ folder });
    url = await dev.ready();
  }

  async function run(id, input, namespace) {
    const response = await fetch(`${url}/v1/nodes/${id}/run`, {
      method: "POST",
      body: JSON.stringify({ input, config: { cache: { namespace } } }),
    });
    assert.equal(response.status, 200);
    await response.body.cancel();
    return response.headers.get("cache-status");
  }

  before(async () => {
    await start();
    await run("summarizer", { text: "one" }, "a");
    await run("summarizer", { text: "two" }, "b:c");
    // Writes come after responses.
    assert.match(await run("summarizer", { text: "two" }, "b:c"), /hit/);
    await dev.end();
  }, LIMIT);

  after(async () => {
    await dev.close();
    rmSync(folder, { recursive: true, force: true });
  }, LIMIT);

  test("a first start has nothing to say, and remembers nodes with dynamiq keys alone", () => {
    assert.doesNotMatch(dev.output, CHANGED);
    assert.deepEqual(Object.keys(new Memory(state, "embedded store").fingerprints), ["summarizer"]);
  });

  test("says so with the number of entries and a line, which purges them while it runs", async () => {
    pretendChange(state, "embedded store", ["summarizer", "translator"]);
    await start();
    assert.match(dev.output, CHANGED);
    assert.match(dev.output, /^ {2}summarizer {2}2 entries$/m);
    assert.doesNotMatch(dev.output, /^ {2}translator/m);
    const [line, ...more] = dev.output.match(/^make purge .*$/gm);
    assert.deepEqual(more, []);

    const other = { text: "one", language: "German" };
    assert.match(await run("translator", other, "a"), /fwd=miss/);
    assert.match(await run("summarizer", { text: "one" }, "a"), /hit/);
    assert.match(await shell(line), /^Deleted 2 entries of summarizer/m);
    assert.match(await run("summarizer", { text: "one" }, "a"), /fwd=miss/);
    assert.match(await run("translator", other, "a"), /hit/);
  });

  test("says so too when a build changes it while it runs", async () => {
    const built = readFileSync(DEFINITIONS, "utf8");
    const said = dev.output.length;
    try {
      writeFileSync(DEFINITIONS, built.replace("Summarize in one sentence", "Summarise"));
      await dev.says(/ready[\s\S]*make purge[\s\S]*make purge NODE=summarizer/);
      assert.match(dev.output.slice(said), /^ {2}summarizer {2}1 entry$/m);
    } finally {
      writeFileSync(DEFINITIONS, built);
    }
  });

  test("says nothing at the next start with the same definition, entries or not", async () => {
    await dev.end();
    await start();
    assert.match(await run("summarizer", { text: "one" }, "a"), /hit/);
    assert.doesNotMatch(dev.output, CHANGED);
  });

  test("says nothing when the entries were purged while it was stopped", async () => {
    await dev.end();
    const args = { vars: "/dev/null", state };
    assert.match(await shell(purgeLine("summarizer", args)), /^Deleted 1 entry of summarizer/m);
    pretendChange(state, "embedded store");
    assert.equal(await new Changes({}, state, args).sinceLastStart(), "");
  });
});

describeOverRedis("make dev over a Redis after a definition changed", LIMIT, () => {
  let folder;
  let state;
  let store;
  let name;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "edgememo-changed-"));
    state = join(folder, "state");
    store = await startStore("redis");
    name = `Redis at ${new URL(store.front.url).host}`;
  }, LIMIT);

  after(async () => {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }, LIMIT);

  test("prints a line that deletes the node's entries, no others, and no token", async () => {
    const others = [
      `summarizer:${HASHES}:v1`,
      `a:summarizer2:${HASHES}`,
      `my-summarizer:${HASHES}`,
    ];
    const own = [`summarizer:${HASHES}`, `a:b:summarizer:${HASHES}`, `*:summarizer:${HASHES}`];
    for (const key of [...others, ...own]) await store.set(key, "{}");
    const vars = join(folder, "dev.vars");
    const settings = Object.entries({ ...store.env, OPENAI_API_KEY: "x" });
    writeFileSync(vars, settings.map(([name, value]) => `${name}=${value}\n`).join(""));
    pretendChange(state, name);
    const dev = new DevServer({ folder, vars });
    let said;
    try {
      await dev.ready();
      assert.match(dev.output, /^ {2}summarizer {2}3 entries$/m);
      said = await shell(dev.output.match(/^make purge .*$/m)[0]);
    } finally {
      await dev.close();
    }
    assert.match(said, /^Deleted 3 entries of summarizer: Redis at 127\.0\.0\.1:\d+/m);
    assert.ok(!`${dev.output}${said}`.includes(store.env.UPSTASH_REDIS_REST_TOKEN));
    assert.deepEqual((await store.client.keys("*")).sort(), others.sort());
  });

  test("finds ids with the signs of Redis's patterns, on more pages than one", async () => {
    const id = "[a-z]*?\\^";
    const keys = Array.from({ length: 2500 }, (_, n) => `n${n}:${id}:${HASHES}`);
    await store.client.mSet([...keys, `abcd:${HASHES}`].flatMap((key) => [key, "{}"]));
    const entries = entriesOf(store.env, state);
    assert.deepEqual(await entries.count(id), { count: 2500, all: true });
    assert.equal(await entries.purge(id), 2500);
    assert.deepEqual(await entries.count(id), { count: 0, all: true });
    assert.equal(await store.client.exists(`abcd:${HASHES}`), 1);
  });

  for (const [fault, act, reason] of [
    ["hangs", faults.hang, /did not answer in time/],
    ["hangs in its answer", faults.hangInBody, /did not answer in time/],
    ["drops the connection", faults.reset, /could not be asked/],
    ["refuses the token", faults.wrongToken, /answered 401/],
    ["answers something else", faults.resultOfWrongType, /something else than a page/],
    ["redirects", faults.redirect("http://127.0.0.1:1/"), /could not be asked/],
  ]) {
    test(`a Redis that ${fault} stops nothing, and the next start asks again`, async () => {
      pretendChange(state, name);
      store.front.fail(act);
      const started = performance.now();
      try {
        const changes = new Changes(store.env, state, {});
        const said = await changes.sinceLastStart();
        changes.remember();
        assert.match(said, /may live on[\s\S]*summarizer {2}not known how many entries: Redis at /);
        assert.match(said, reason);
        assert.ok(performance.now() - started < 6000);
        assert.equal(new Memory(state, name).fingerprints.summarizer, "another");
      } finally {
        await store.front.reset();
      }
    });
  }
});

describeOverRedis("make purge over a Redis that speaks RESP", LIMIT, () => {
  let store;

  before(async () => {
    store = await startStore("resp");
  }, LIMIT);

  after(() => store.close(), LIMIT);

  test("counts and deletes the node's entries there", async () => {
    const host = `Redis at 127.0.0.1:${store.front.port}`;
    await store.client.mSet([`a:summarizer:${HASHES}`, "{}", `other:${HASHES}`, "{}"]);
    const { port } = store.front;
    const parts = { REDIS_HOST: "127.0.0.1", REDIS_PORT: port, REDIS_PASSWORD: store.password };
    for (const vars of [store.env, parts]) {
      const entries = entriesOf(vars, "");
      assert.equal(entries.name, host);
      assert.deepEqual(await entries.count("summarizer"), { count: 1, all: true });
    }
    assert.equal(await entriesOf(parts, "").purge("summarizer"), 1);
    assert.deepEqual(await store.client.keys("*"), [`other:${HASHES}`]);
  });

  for (const [fault, act] of [
    ["hangs", respFaults.hang],
    ["drops the connection", respFaults.reset],
    ["refuses the password", respFaults.say("-WRONGPASS no\r\n")],
  ]) {
    test(`a Redis that ${fault} is an error in time`, async () => {
      store.front.fail(act);
      const started = performance.now();
      await assert.rejects(entriesOf(store.env, "").count("summarizer"), {
        message: /^Redis at 127\.0\.0\.1:\d+ (did not answer in time|could not be asked)$/,
      });
      assert.ok(performance.now() - started < 6000);
      await store.front.reset();
    });
  }
});

describe("the entries of a node", () => {
  test("end in its id and two hashes; where colons leave it open, they count for both nodes", () => {
    for (const [key, id, expected] of [
      [`b:${HASHES}`, "b", true],
      [`:b:${HASHES}`, "b", true],
      [`a:b:${HASHES}`, "b", true],
      [`a:b:${HASHES}`, "a:b", true],
      [`ab:${HASHES}`, "b", false],
      [`b:a:${HASHES}`, "b", false],
      [`b:${HASHES}:v1`, "b", false],
      [`b:${HASHES.slice(1)}`, "b", false],
      [`b:${HASHES.toUpperCase()}`, "b", false],
      [`b:${HASHES}\n`, "b", false],
    ]) {
      assert.equal(isEntryOf(key, id), expected, JSON.stringify([key, id]));
    }
  });
});

describe("what a node does", () => {
  const node = {
    id: "n",
    name: "N",
    node_type: "dynamiq.nodes.llms.OpenAI",
    caching: { enabled: true, key: "dynamiq" },
    error_handling: { max_retries: 0 },
    kind: { Llm: { model: "m", prompt: { messages: ["a"] }, seed: 1 } },
  };
  const of = (changes) => fingerprints(JSON.stringify({ nodes: [{ ...node, ...changes }] })).n;

  test("is its type and its kind, to the last digit", () => {
    const { Llm } = node.kind;
    const kinds = [
      { ...Llm, prompt: { messages: ["b"] } },
      { ...Llm, model: "o" },
      { ...Llm, top_p: 1 },
    ];
    for (const kind of kinds) assert.notEqual(of({ kind: { Llm: kind } }), of());
    assert.notEqual(of({ node_type: "dynamiq.nodes.llms.Groq" }), of());
    const [a, b] = ["9007199254740992", "9007199254740993"].map((seed) =>
      fingerprints(JSON.stringify({ nodes: [node] }).replace('"seed":1', `"seed":${seed}`)),
    );
    assert.notDeepEqual(a, b);
  });

  test("is not its name or its error handling, nor how its fields are ordered and which are null", () => {
    assert.equal(of({ name: "O", error_handling: { max_retries: 3 } }), of());
    const { seed, ...others } = node.kind.Llm;
    assert.equal(of({ kind: { Llm: { seed, stop: null, ...others } } }), of());
  });

  test("is not asked of nodes with canonical keys or without a cache", () => {
    assert.equal(of({ caching: { enabled: true, key: "canonical" } }), undefined);
    assert.equal(of({ caching: { enabled: false, key: "dynamiq" } }), undefined);
  });

  test("is remembered for each store, also while the node is away", () => {
    const folder = mkdtempSync(join(tmpdir(), "edgememo-memory-"));
    try {
      const [one, two] = ["one", "two"].map((store) => new Memory(folder, store));
      one.keep({ a: "1", b: "1" });
      two.keep({ a: "2" });
      one.keep({ b: "3" });
      assert.deepEqual(one.fingerprints, { a: "1", b: "3" });
      assert.deepEqual(two.fingerprints, { a: "2" });
      writeFileSync(join(folder, "edgememo-definitions.json"), "{");
      assert.deepEqual(one.fingerprints, {});
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test("the printed line reaches the script as it was meant, whatever the id and the folders", () => {
  const folder = mkdtempSync(join(tmpdir(), "edgememo-line-"));
  try {
    const makefile = join(folder, "Makefile");
    const print = `console.log(JSON.stringify([process.env.NODE, ...process.argv.slice(1)]))`;
    writeFileSync(makefile, `purge:\n\t@node -e '${print}' -- $(ARGS)\n`);
    for (const [id, options, args] of [
      ["summarizer", {}, []],
      ["a:b c$d#e'f\"g`h\\", {}, []],
      ["n", { vars: "/a/b.vars", state: "s" }, ["--vars", "/a/b.vars", "--state", "s"]],
      ["n", { state: "/a b/it's $HOME" }, ["--state", "/a b/it's $HOME"]],
    ]) {
      const line = purgeLine(id, options).replace("make ", `make -s -f ${makefile} `);
      const read = execFileSync("sh", ["-c", line], { encoding: "utf8" });
      assert.deepEqual(JSON.parse(read), [id, ...args], line);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("make purge without a node says what it needs", async () => {
  await assert.rejects(shell("NODE= make purge"), /Which node\? make purge NODE=summarizer/);
});
