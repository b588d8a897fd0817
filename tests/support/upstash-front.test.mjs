/** The front must speak as Upstash does, or the suite would test the Worker against a fancy. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { Redis } from "@upstash/redis";
import { secret } from "./canary.mjs";
import { describeOverRedis, startRedis } from "./redis.mjs";
import { faults, startUpstashFront } from "./upstash-front.mjs";

describeOverRedis("the Upstash front", { timeout: 30_000 }, () => {
  let redis;
  let front;

  before(async () => {
    redis = await startRedis();
    front = await startUpstashFront(redis);
  });
  beforeEach(() => front.reset());
  after(async () => {
    await front?.close();
    await redis?.close();
  });

  const client = (options = {}) =>
    new Redis({
      url: front.url,
      token: front.token,
      retry: false,
      enableTelemetry: false,
      automaticDeserialization: false,
      enableAutoPipelining: false,
      ...options,
    });

  async function post(path, body, headers = { authorization: `Bearer ${front.token}` }) {
    const response = await fetch(front.url + path, { method: "POST", headers, body });
    return { status: response.status, json: await response.json() };
  }

  for (const responseEncoding of ["base64", false]) {
    test(`serves the official client with results encoded as ${responseEncoding}`, async () => {
      const upstash = client({ responseEncoding });
      const text = `ein Wert: ü, 漢, ${responseEncoding}`;
      assert.equal(await upstash.set("a", text), "OK");
      assert.equal(await upstash.get("a"), text);
      assert.equal(await upstash.setex("b", 100, "x"), "OK");
      assert.ok((await upstash.pttl("b")) > 90_000);
      assert.equal(await upstash.set("a", "other", { nx: true }), null);
      assert.equal(await upstash.get("none"), null);
      assert.equal(await upstash.del("a", "b"), 2);
      assert.equal(await upstash.ping(), "PONG");
      const replies = await upstash.pipeline().set("c", "1").get("c").del("c").exec();
      assert.deepEqual(replies, ["OK", "1", 1]);
    });
  }

  test("keeps bytes that are not UTF-8 when asked for Base64", async () => {
    await redis.client.sendCommand(["SET", "bytes", Buffer.from([0xff, 0x00, 0xfe])]);
    const { json } = await post("/", '["GET","bytes"]', {
      authorization: `Bearer ${front.token}`,
      "upstash-encoding": "base64",
    });
    assert.deepEqual(json, { result: "/wD+" });
  });

  test("answers 401 with an error to a wrong token and runs nothing", async () => {
    const { status, json } = await post("/", '["SET","x","1"]', {
      authorization: `Bearer ${secret("wrong-token")}`,
    });
    assert.equal(status, 401);
    assert.match(json.error, /^WRONGPASS/);
    assert.equal(await redis.client.get("x"), null);
    await assert.rejects(client({ token: secret("wrong-token") }).get("x"), /WRONGPASS/);
  });

  test("answers 400 with Redis' own error to a command that fails", async () => {
    await redis.client.lPush("list", "x");
    const { status, json } = await post("/", '["GET","list"]');
    assert.equal(status, 400);
    assert.match(json.error, /^WRONGTYPE/);
    await assert.rejects(client().get("list"), /WRONGTYPE/);
  });

  test("answers 400 to a body that is no command", async () => {
    for (const body of ["", "{", "[]", '"GET"', "{}"]) {
      const { status, json } = await post("/", body);
      assert.equal(status, 400, body);
      assert.equal(typeof json.error, "string", body);
    }
  });

  test("answers 200 to a pipeline and tells the error of each command in its place", async () => {
    await redis.client.lPush("list", "x");
    const { status, json } = await post("/pipeline", '[["PING"],["GET","list"],["GET","no"]]');
    assert.equal(status, 200);
    assert.deepEqual(json[0], { result: "PONG" });
    assert.match(json[1].error, /^WRONGTYPE/);
    assert.deepEqual(json[2], { result: null });
  });

  test("takes a command from the path of a GET", async () => {
    const headers = { authorization: `Bearer ${front.token}` };
    const get = async (path) => {
      const response = await fetch(front.url + path, { headers });
      return { status: response.status, json: await response.json() };
    };
    await redis.client.set("in:a:url", "ü");
    await redis.client.lPush("list", "x");
    const found = { status: 200, json: { result: "ü" } };
    for (const path of ["/get/in:a:url", "/get/in%3Aa%3Aurl"])
      assert.deepEqual(await get(path), found);
    assert.deepEqual(await get("/get/none"), { status: 200, json: { result: null } });
    const { status, json } = await get("/get/list");
    assert.equal(status, 400);
    assert.match(json.error, /^WRONGTYPE/);
  });

  test("writes down commands and counts connections", async () => {
    await post("/", '["get","a"]');
    await post("/pipeline", '[["SET","a","1"],["DEL","a"]]');
    assert.deepEqual(front.commandNames(), ["GET", "SET", "DEL"]);
    assert.ok(front.connections >= 1);
  });

  test("fails as told, only for the named command, until reset", async () => {
    front.fail(faults.htmlError, { only: "SETEX" });
    assert.equal((await post("/", '["GET","a"]')).status, 200);
    const answer = await fetch(front.url, { method: "POST", body: '["SETEX","a","9","1"]' });
    assert.equal(answer.status, 500);
    assert.match(await answer.text(), /^<html>/);
    assert.equal(await redis.client.get("a"), null);
    await front.reset();
    assert.equal((await post("/", '["SETEX","a","9","1"]')).status, 200);
  });

  test("hangs, breaks off, and refuses connections when told", async () => {
    front.fail(faults.hang);
    const signal = AbortSignal.timeout(100);
    await assert.rejects(fetch(front.url, { method: "POST", body: "[]", signal }), /timeout/);
    front.fail(faults.reset);
    await assert.rejects(post("/", '["PING"]'), /fetch failed/);
    await front.refuse();
    await assert.rejects(post("/", '["PING"]'), (error) => error.cause.code === "ECONNREFUSED");
    await front.reset();
    assert.equal((await post("/", '["PING"]')).status, 200);
  });

  test("answers late, with the work done, when slow", async () => {
    front.fail(faults.slow(150));
    const started = performance.now();
    assert.deepEqual((await post("/", '["SET","late","1"]')).json, { result: "OK" });
    assert.ok(performance.now() - started >= 140);
    assert.equal(await redis.client.get("late"), "1");
  });
});
