// `make dev`, as its user meets it: the two printed commands, a restart, and its end.
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { whyNoRedis } from "../support/redis.mjs";
import { startStore } from "../support/stores.mjs";
import { startUpstream } from "../support/upstream.mjs";
import { DevServer, freePort } from "./dev-server.mjs";

const LIMIT = { timeout: 180_000 };
const noCurl = spawnSync("curl", ["--version"]).status === 0 ? false : "curl is not installed";
const RUN = "/v1/nodes/summarizer/run";

/** Runs a printed command and reads its answer. @param {string} command */
async function curl(command) {
  const started = performance.now();
  const { stdout } = await promisify(execFile)("sh", ["-c", `${command} -sS --max-time 20`]);
  const elapsed = performance.now() - started;
  const [head, ...body] = stdout.split(/\r?\n\r?\n/);
  const status = Number(/^HTTP\/\S+ (\d+)/.exec(head)?.[1]);
  const cacheStatus = /^cache-status: (.*)$/im.exec(head)?.[1]?.trim();
  return { status, cacheStatus, elapsed, result: JSON.parse(body.join("\n\n")) };
}

/** A run with headers of one's own, `Host` among them. @param {string} url */
function run(url, headers) {
  const body = JSON.stringify({ input: { text: "hello" } });
  return new Promise((resolve, reject) => {
    const call = request(`${url}${RUN}`, {
      method: "POST",
      agent: false,
      timeout: 20_000,
      headers: { "content-type": "application/json", ...headers },
    });
    call.on("error", reject);
    call.on("timeout", () => call.destroy(new Error("no answer")));
    call.on("response", async (response) => {
      const text = (await response.toArray()).join("");
      resolve({ status: response.statusCode, json: JSON.parse(text) });
    });
    call.end(body);
  });
}

describe("make dev with nothing configured", LIMIT, () => {
  const folder = mkdtempSync(join(tmpdir(), "edgememo-dev-"));
  let dev;
  let url;

  before(async () => {
    dev = new DevServer({ folder });
    url = await dev.ready();
  }, LIMIT);

  after(async () => {
    await dev.close();
    rmSync(folder, { recursive: true, force: true });
  }, LIMIT);

  test("says which store and which model it uses", () => {
    assert.match(dev.output, /store +embedded/);
    assert.match(dev.output, /model +demo model/);
    assert.match(dev.output, /nodes +summarizer, translator; GET \/v1\/nodes says/);
  });

  test("answers as the demo model to the node that it prints no command for", async () => {
    const body = { input: { language: "German", text: "hello" }, config: { cache: {} } };
    const response = await fetch(`${url}/v1/nodes/translator/run`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    const { output, cache } = await response.json();
    assert.equal(output.content, "[demo model] A translation into German of: hello");
    assert.match(cache.key, /^translator:.*:v1$/);
  });

  test("prints two commands: a MISS that takes its time, then a HIT", {
    skip: noCurl,
  }, async () => {
    const [first, second, ...rest] = dev.curls();
    assert.deepEqual(rest, []);
    assert.equal(first, second);

    const miss = await curl(first);
    assert.equal(miss.status, 200);
    assert.match(miss.cacheStatus, /^edgememo; fwd=miss/);
    assert.equal(miss.result.is_output_from_cache, false);
    assert.equal(miss.result.output.content, "[demo model] One sentence about: hello");
    assert.ok(miss.elapsed > 1000, `a miss took ${miss.elapsed} ms`);

    const hit = await curl(second);
    assert.equal(hit.status, 200);
    assert.match(hit.cacheStatus, /^edgememo; hit/);
    assert.equal(hit.result.is_output_from_cache, true);
    assert.deepEqual(hit.result.output, miss.result.output);
    assert.ok(hit.elapsed < 1000, `a hit took ${hit.elapsed} ms`);
  });

  test("refuses a Host that is not this machine", async () => {
    const { status, json } = await run(url, { host: "edgememo.example" });
    assert.equal(status, 403);
    assert.equal(json.code, "insecure-host-forbidden");
  });

  test("refuses an Origin that is not its own", async () => {
    const { status, json } = await run(url, { origin: "http://edgememo.example" });
    assert.equal(status, 403);
    assert.equal(json.code, "insecure-origin-forbidden");
  });

  test("serves the first page", async () => {
    const response = await fetch(url);
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type"), /text\/html/);
    assert.ok(response.headers.get("content-security-policy"));
  });

  test("leaves no process behind on Ctrl-C", async () => {
    const running = dev.processes().map(({ command }) => command);
    for (const name of ["wrangler", "workerd"]) {
      assert.ok(
        running.some((command) => command.includes(name)),
        `${name} was not running`,
      );
    }
    const { left } = await dev.end("SIGINT");
    assert.deepEqual(left, []);
    await assert.rejects(fetch(url));
  });

  test("remembers after a restart", { skip: noCurl }, async () => {
    dev = new DevServer({ folder });
    url = await dev.ready();
    const { cacheStatus, result } = await curl(dev.curls()[0]);
    assert.match(cacheStatus, /^edgememo; hit/);
    assert.equal(result.output.content, "[demo model] One sentence about: hello");
  });

  for (const signal of ["SIGTERM", "SIGHUP"]) {
    test(`leaves no process behind on ${signal}`, async () => {
      if (dev.processes().length === 0) {
        dev = new DevServer({ folder });
        await dev.ready();
      }
      assert.deepEqual((await dev.end(signal)).left, []);
    });
  }

  test("leaves no process behind when it is killed", async () => {
    dev = new DevServer({ folder });
    await dev.ready();
    const script = dev
      .processes()
      .find(({ command }) => /^\S*node .*scripts\/dev\.mjs/.test(command));
    assert.deepEqual((await dev.end("SIGKILL", script.pid)).left, []);
  });

  test("ends with an error, and alone, when wrangler crashes", async () => {
    dev = new DevServer({ folder });
    await dev.ready();
    const wrangler = dev.processes().find(({ command }) => command.includes("wrangler-dist"));
    const { code, left } = await dev.end("SIGKILL", wrangler.pid);
    assert.notEqual(code, 0);
    assert.match(dev.output, /wrangler ended by itself/);
    assert.deepEqual(left, []);
  });
});

describe("make dev with .dev.vars", LIMIT, () => {
  test("uses the Redis and the provider that are given", {
    skip: noCurl || whyNoRedis(),
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "edgememo-dev-"));
    const upstream = await startUpstream();
    const store = await startStore("redis");
    const vars = join(folder, "dev.vars");
    const settings = { ...store.env, OPENAI_API_KEY: upstream.key, OPENAI_URL: upstream.url };
    writeFileSync(
      vars,
      Object.entries(settings)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(""),
    );
    const dev = new DevServer({ folder, vars });
    try {
      await dev.ready();
      assert.match(dev.output, /store +Redis at 127\.0\.0\.1:\d+/);
      assert.match(dev.output, /model +127\.0\.0\.1:\d+/);
      for (const secret of [store.env.UPSTASH_REDIS_REST_TOKEN, upstream.key]) {
        assert.ok(!dev.output.includes(secret), "a secret was printed");
      }
      const [first, second] = dev.curls();
      const miss = await curl(first);
      assert.match(miss.cacheStatus, /^edgememo; fwd=miss/);
      const hit = await curl(second);
      assert.match(hit.cacheStatus, /^edgememo; hit/);
      assert.deepEqual(hit.result.output, miss.result.output);
      assert.equal(upstream.calls.length, 1);
      assert.equal((await store.dump()).length, 1);
    } finally {
      await dev.close();
      await Promise.all([upstream.close(), store.close()]);
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("does not let callers in without a key when told so", async () => {
    const folder = mkdtempSync(join(tmpdir(), "edgememo-dev-"));
    const vars = join(folder, "dev.vars");
    writeFileSync(vars, "EDGEMEMO_INSECURE=false\n");
    const dev = new DevServer({ folder, vars });
    try {
      const { status, json } = await run(await dev.ready(), {});
      assert.equal(status, 503);
      assert.equal(json.code, "api-keys-missing");
      assert.match(dev.output, /callers +INCOMPLETE/);
    } finally {
      await dev.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

test("make dev names a port that is taken, and starts nothing", LIMIT, async () => {
  const port = await freePort();
  const taken = createServer().listen(port, "127.0.0.1");
  const folder = mkdtempSync(join(tmpdir(), "edgememo-dev-"));
  const dev = new DevServer({ folder, port });
  try {
    await dev.says(new RegExp(`Port ${port} is taken\\. Choose another`));
  } finally {
    await dev.close();
    taken.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
