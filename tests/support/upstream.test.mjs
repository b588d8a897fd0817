/** The upstream of the suite: what it counts, remembers and does wrong. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { secret } from "./canary.mjs";
import { behaviours, startUpstream } from "./upstream.mjs";

describe("the upstream", { timeout: 30_000 }, () => {
  let upstream;
  before(async () => {
    upstream = await startUpstream();
  });
  beforeEach(() => upstream.reset());
  after(() => upstream?.close());

  const call = (init = {}) =>
    fetch(`${upstream.url}/chat/completions`, { method: "POST", body: '{"model":"m"}', ...init });

  test("answers each call differently, and remembers what was sent", async () => {
    const first = await (await call({ headers: { "x-mark": "1" } })).json();
    const second = await (await call()).json();
    assert.notEqual(first.choices[0].message.content, second.choices[0].message.content);
    assert.equal(upstream.calls.length, 2);
    assert.equal(upstream.calls[0].headers["x-mark"], "1");
    assert.equal(upstream.calls[0].text, '{"model":"m"}');
  });

  test("answers 404 on any other path, and counts that too", async () => {
    assert.equal((await fetch(`${upstream.url}/models`)).status, 404);
    assert.equal(upstream.calls.length, 1);
  });

  test("repeats the credential it refuses", async () => {
    const authorization = `Bearer ${secret("refused")}`;
    upstream.behave(behaviours.refuseAndEcho());
    const response = await call({ headers: { authorization } });
    assert.equal(response.status, 401);
    assert.ok((await response.text()).includes(authorization));
  });

  test("hangs, breaks off before and within the answer", async () => {
    upstream.behave(behaviours.hang());
    await assert.rejects(call({ signal: AbortSignal.timeout(100) }), /timeout/);
    upstream.behave(behaviours.reset());
    await assert.rejects(call(), /fetch failed/);
    upstream.behave(behaviours.truncate());
    await assert.rejects(async () => (await call()).text(), /terminated/);
    assert.equal(upstream.calls.length, 3);
  });
});
