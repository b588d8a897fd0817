/** The page's modules that need no browser. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import { curlCommand, shellQuote } from "../../www/js/curl.js";
import { serverTimings } from "../../www/js/headers.js";
import { comparison, duration, reasonInWords } from "../../www/js/words.js";
import { isPlainMiss, kindOf } from "../../www/views/result.js";

describe("the curl line", () => {
  const words = (command) =>
    execFileSync("sh", ["-c", `curl() { printf '%s\\0' "$@"; }\n${command}`], {
      env: { ...process.env, EDGEMEMO_API_KEY: "from the shell" },
      encoding: "utf8",
      timeout: 5_000,
    })
      .split("\0")
      .slice(0, -1);

  it("reaches curl as it was meant, whatever the input holds", () => {
    const text = 'it\'s "5 > 3" & $HOME `id` \\n \u2028 héllo 😀\nsecond line!';
    const request = { input: { text }, config: { cache: { namespace: "o'neil", ttl: 60 } } };
    const command = curlCommand({
      origin: "http://localhost:8787",
      nodeId: "a/b c'd",
      request,
      withKey: true,
    });
    const [include, url, , type, , key, , body] = words(command);
    assert.equal(include, "-i");
    assert.equal(url, "http://localhost:8787/v1/nodes/a%2Fb%20c'd/run");
    assert.equal(type, "content-type: application/json");
    assert.equal(key, "x-edgememo-api-key: from the shell");
    assert.deepEqual(JSON.parse(body), request);
  });

  it("names a key only where one is in use", () => {
    const run = { origin: "http://localhost", nodeId: "n", request: {} };
    assert.doesNotMatch(curlCommand({ ...run, withKey: false }), /api-key/);
    assert.match(curlCommand({ ...run, withKey: true }), /x-edgememo-api-key: \$EDGEMEMO_API_KEY"/);
  });

  it("quotes only what needs it", () => {
    assert.equal(shellQuote("http://127.0.0.1:8787/v1"), "http://127.0.0.1:8787/v1");
    assert.equal(shellQuote("a b"), "'a b'");
    assert.equal(shellQuote(""), "''");
  });
});

describe("Server-Timing", () => {
  const read = (header) => Object.fromEntries(serverTimings(header));

  it("gives the durations by name", () => {
    assert.deepEqual(read("cache;dur=3, execute;dur=812.5"), { cache: 3, execute: 812.5 });
  });

  it("reads what else the header may hold", () => {
    assert.deepEqual(read('cache;desc="a, b; dur=9 \\" c";dur=3,total;dur="7"'), {
      cache: 3,
      total: 7,
    });
    assert.deepEqual(read("cache, execute;dur=abc, ;dur=1"), {});
    assert.deepEqual(read(null), {});
  });
});

describe("words", () => {
  it("gives durations in the unit that fits", () => {
    assert.equal(duration(0), "0 ms");
    assert.equal(duration(3.04), "3 ms");
    assert.equal(duration(9.94), "9.9 ms");
    assert.equal(duration(9.96), "10 ms");
    assert.equal(duration(999.4), "999 ms");
    assert.equal(duration(999.6), "1.00 s");
  });

  it("compares a miss and a hit without flattering", () => {
    assert.equal(comparison(846, 14).words, "60 times faster than the miss");
    assert.equal(comparison(15, 10).words, "1.5 times faster than the miss");
    assert.equal(comparison(10, 10).words, "not faster than the miss this time");
    assert.equal(comparison(5, 10).words, "not faster than the miss this time");
    assert.equal(comparison(5, 0).words, "50 times faster than the miss");
  });

  it("says a reason it does not know as it is", () => {
    assert.equal(reasonInWords(null), "");
    assert.match(reasonInWords("redis-timeout"), /did not answer in time/);
    assert.match(reasonInWords("duplicate-name"), /one name: there is no canonical key, so/);
    assert.match(reasonInWords("not-envelope"), /not an envelope/);
    assert.match(reasonInWords("memory"), /in the Worker’s memory/);
    assert.match(reasonInWords("collapsed"), /this one waited for it/);
    assert.match(reasonInWords("single-flight-timeout"), /took too long, so the node executed/);
    assert.match(reasonInWords("single-flight-not-shared"), /could not be shared/);
    assert.match(reasonInWords("stale-while-revalidate"), /a new one is made/);
    assert.match(reasonInWords("stale-if-error"), /the last good answer was served/);
    assert.equal(reasonInWords("brand-new"), "Reason: brand-new.");
  });
});

describe("a run", () => {
  const run = (status, cache) => ({ answer: { result: { status, cache } } });

  it("is shown as what the cache had to do with it", () => {
    for (const status of ["hit", "miss", "stale", "bypass"]) {
      assert.equal(kindOf(run("success", { status })), status);
    }
    assert.equal(kindOf(run("success", { status: "brand-new" })), "miss");
    assert.equal(kindOf(run("failure", { status: "miss", reason: "collapsed" })), "failed");
    assert.equal(kindOf({ answer: null }), "failed");
  });

  it("that waited for another is no miss to compare a hit with", () => {
    assert.ok(isPlainMiss(run("success", { status: "miss", reason: null })));
    assert.ok(!isPlainMiss(run("success", { status: "miss", reason: "collapsed" })));
    assert.ok(!isPlainMiss(run("success", { status: "stale", reason: "stale-if-error" })));
  });
});
