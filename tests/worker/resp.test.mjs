/** Redis by its own protocol, over a TCP socket: settings, what goes over the wire, and what breaks. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { secret } from "../support/canary.mjs";
import { respFaults as faults } from "../support/resp-front.mjs";
import { assertExecuted, assertSurvives } from "../support/survival.mjs";
import { cached, keyOf, RUN, uniqueText, withWorld } from "../support/world.mjs";

const DEADLINE_MS = 200;
/** A write would have come by then. */
const WRITE_WAIT_MS = 400;
const settings = {
  CACHE_LOOKUP_TIMEOUT_MS: String(DEADLINE_MS),
  CACHE_WRITE_TIMEOUT_MS: "300",
  // Every fault is met, and not the breaker.
  CACHE_BREAKER_PAUSE_MS: "0",
};

async function waitFor(condition, ms = 3_000) {
  for (let left = ms; left > 0; left -= 10) {
    if (condition()) return;
    await after(10);
  }
  throw new Error(`in vain for ${ms} ms: ${condition}`);
}

/** Runs a node twice; the second run has to be a hit. */
async function assertHit(world) {
  const text = uniqueText();
  const first = await world.run(cached(text));
  assert.equal(first.json.cache.reason, null);
  await world.stored(keyOf(text));
  assert.equal((await world.run(cached(text))).json.cache.status, "hit");
  return text;
}

withWorld("RESP over a socket", { store: "resp", env: settings }, (world) => {
  test("sends the password and the commands in one write, on a connection that is then closed", async () => {
    const text = await assertHit(world);
    const { journal } = world.store.front;
    assert.deepEqual(
      journal.map(({ commands, writes }) => [commands.map(([name]) => name).join(), writes]),
      [
        ["AUTH,GET", 1],
        ["AUTH,SET,MGET", 1],
        ["AUTH,SETEX,EVAL", 1],
        ["AUTH,GET", 1],
      ],
    );
    assert.equal(journal[0].commands[1][1], keyOf(text));
    await waitFor(() => world.store.front.open === 0);
  });

  test("reads a reply that comes byte by byte", async () => {
    const text = await assertHit(world);
    world.store.front.fail(faults.byteByByte);
    assert.equal((await world.run(cached(text))).json.cache.status, "hit");
  });

  test("reads a value of a megabyte", async () => {
    const text = uniqueText();
    await world.run(cached(text));
    await world.stored(keyOf(text));
    const content = "x".repeat(1_000_000);
    await world.store.set(keyOf(text), Buffer.from(JSON.stringify({ content })).toString("base64"));
    const { json } = await world.run(cached(text));
    assert.equal(json.cache.status, "hit");
    assert.equal(json.output.content.length, content.length);
  });

  const cases = {
    "refuses connections": [null, "redis-unreachable"],
    "accepts and does not answer": [faults.hang, "redis-timeout"],
    "answers by half": [faults.sayAndHang("+OK\r\n$100\r\nabc"), "redis-timeout"],
    "answers after the deadline": [faults.slow(DEADLINE_MS * 2), "redis-timeout"],
    "resets the connection": [faults.reset, "redis-unreachable"],
    "resets the connection in the middle of the reply": [faults.resetInReply, "redis-unreachable"],
    "ends the reply before its end": [faults.truncate, "redis-unreachable"],
    "closes the connection": [faults.say(""), "redis-unreachable"],
    "is a web server": [faults.say("HTTP/1.1 400 Bad Request\r\n\r\n"), "redis-bad-reply"],
    "answers with garbage": [faults.sayAndHang("%%% this is not RESP"), "redis-bad-reply"],
    "answers with arrays without end": [
      faults.sayAndHang("*1\r\n".repeat(10_000)),
      "redis-bad-reply",
    ],
    "answers with another type": [faults.say("+OK\r\n:1\r\n"), "redis-bad-reply"],
    "limits the rate": [faults.say("+OK\r\n-ERR max requests limit exceeded\r\n"), "redis-busy"],
    "is loading": [faults.say("+OK\r\n-LOADING Redis is loading\r\n"), "redis-error"],
    "is full": [faults.say("-ERR max number of clients reached\r\n"), "redis-error"],
    "has a user who may not read": [faults.say("+OK\r\n-NOPERM no permissions\r\n"), "redis-error"],
    "refuses the password": [faults.say("-WRONGPASS invalid\r\n"), "redis-unauthorized"],
    "wants a password": [faults.say("+OK\r\n-NOAUTH needed\r\n"), "redis-unauthorized"],
  };
  for (const [name, [fault, reason]] of Object.entries(cases)) {
    test(`executes, names the reason, stores nothing wrong and hangs up: Redis ${name}`, async (t) => {
      const { front } = world.store;
      const begin = () => (fault ? front.fail(fault) : front.refuse());
      await assertSurvives(world, t, { name, reason, begin, deadlineMs: DEADLINE_MS });
      await waitFor(() => front.open === 0);
    });
  }

  test("executes and says value-too-large: a reply over 10 MiB, which is not read to its end", async () => {
    const value = "v".repeat(11 * 1024 * 1024);
    world.store.front.fail(faults.say(`+OK\r\n$${value.length}\r\n${value}\r\n`), { only: "GET" });
    const answer = await world.run(cached(uniqueText()));
    assert.ok(["value-too-large", "redis-timeout"].includes(answer.json.cache.reason));
    assertExecuted(world, answer, answer.json.cache.reason);
  });

  test("a password that was refused is not used for a write", async () => {
    // A write of the test before may still be on its way.
    await world.settle();
    await world.store.reset();
    world.store.front.fail(faults.say("-WRONGPASS invalid\r\n"));
    await world.run(cached(uniqueText()));
    await after(WRITE_WAIT_MS);
    assert.deepEqual(world.store.front.commandNames(), ["AUTH", "GET"]);
  });

  test("a write that fails costs the entry and nothing else", async () => {
    for (const fault of [faults.reset, faults.hang, faults.say("+OK\r\n-READONLY replica\r\n")]) {
      const text = uniqueText();
      world.store.front.fail(fault, { only: "SETEX" });
      assert.equal((await world.run(cached(text))).status, 200);
      await after(WRITE_WAIT_MS);
      assert.ok(world.store.front.commandNames().includes("SETEX"));
      await world.store.reset();
      world.upstream.reset();
      assert.equal(await world.store.get(keyOf(text)), null);
    }
  });

  test("once Redis is well again, runs are stored and hit", async () => {
    world.store.front.fail(faults.hang);
    await world.run(cached(uniqueText()));
    await world.store.reset();
    await assertHit(world);
  });
});

withWorld(
  "a lookup that may take long",
  { store: "resp", env: { CACHE_LOOKUP_TIMEOUT_MS: "5200" } },
  (world) => {
    test("waits for a reply that is slow", async () => {
      const text = await assertHit(world);
      world.store.front.fail(faults.slow(600));
      assert.equal((await world.run(cached(text))).json.cache.status, "hit");
    });

    test("hangs up after the deadline when its client has left, and harms no other", async () => {
      world.store.front.fail(faults.hang);
      const leaving = new AbortController();
      const request = fetch(new URL(RUN, world.worker.url), {
        method: "POST",
        headers: { "content-type": "application/json", "x-api-key": world.keys.team },
        body: JSON.stringify(cached(uniqueText())),
        signal: leaving.signal,
      });
      await waitFor(() => world.store.front.journal.length > 0);
      leaving.abort();
      await assert.rejects(request);
      await world.store.reset();
      await assertHit(world);
      await waitFor(() => world.store.front.open === 0, 7_000);
    });
  },
);

/** A user with rights for GET and SETEX below my-app, whose password a URL has to escape. */
const user = { name: "edge", password: `${secret("acl-password")}@:/?%` };
const rights = ["~my-app:*", "+get", "+setex", "+select"];
const createUser = (world, ...more) =>
  world.store.client.sendCommand([
    "ACL",
    "SETUSER",
    user.name,
    "on",
    `>${user.password}`,
    ...rights,
    ...more,
  ]);

/** A world whose settings are made of where the front is. */
function withSettings(title, env, define) {
  const settings = ({ store }) => ({ REDIS_URL: undefined, ...env(store) });
  withWorld(title, { store: "resp", env: settings }, define);
}

withSettings(
  "REDIS_URL with a user and a database",
  ({ front }) => ({
    REDIS_URL: `redis://${user.name}:${encodeURIComponent(user.password)}@127.0.0.1:${front.port}/5`,
  }),
  (world) => {
    before(() => createUser(world));

    test("is followed: as that user, in that database", async () => {
      const text = uniqueText();
      const { json } = await world.run(cached(text));
      assert.equal(json.cache.reason, null);
      await after(WRITE_WAIT_MS);
      const [{ commands, writes }] = world.store.front.journal;
      assert.deepEqual([commands.map(([name]) => name), writes], [["AUTH", "SELECT", "GET"], 1]);
      assert.deepEqual(commands[0], ["AUTH", user.name, user.password]);
      assert.equal(await world.store.get(keyOf(text)), null, "nothing in database 0");
      assert.equal((await world.run(cached(text))).json.cache.status, "hit");
    });

    test("whose rights end at another namespace: redis-error, and the run goes on", async () => {
      const body = cached(uniqueText(), { namespace: "not-mine" });
      assertExecuted(world, await world.run(body, { key: world.keys.everyone }), "redis-error");
    });

    test("whose rights do not cover SELECT: redis-database, and nothing is written", async () => {
      await createUser(world, "-select");
      const text = uniqueText();
      assertExecuted(world, await world.run(cached(text)), "redis-database");
      await after(WRITE_WAIT_MS);
      const sent = world.store.front.journal.flatMap(({ commands }) => commands);
      const about = sent.filter(([, key]) => key === keyOf(text));
      assert.deepEqual(about, [["GET", keyOf(text)]]);
      assert.equal(await world.store.get(keyOf(text)), null, "nothing in database 0");
    });
  },
);

withSettings(
  "REDIS_HOST and the rest in parts",
  ({ front, password }) => ({
    REDIS_HOST: "127.0.0.1",
    REDIS_PORT: front.port,
    REDIS_DB: 3,
    REDIS_USERNAME: "default",
    REDIS_PASSWORD: password,
  }),
  (world) => {
    test("say the same as a URL", async () => {
      const text = uniqueText();
      await world.run(cached(text));
      await after(WRITE_WAIT_MS);
      assert.equal((await world.run(cached(text))).json.cache.status, "hit");
      assert.deepEqual(world.store.front.commandNames().slice(0, 3), ["AUTH", "SELECT", "GET"]);
    });
  },
);

const wrong = secret("wrong-password");
for (const [title, credentials, path, reason] of [
  ["a wrong password", `:${wrong}@`, "", "redis-unauthorized"],
  ["a user who does not exist", `nobody:${wrong}@`, "", "redis-unauthorized"],
  ["no password", "", "", "redis-unauthorized"],
  ["no password, for another database", "", "/1", "redis-unauthorized"],
  ["a database that does not exist", null, "/99", "redis-database"],
]) {
  withSettings(
    `REDIS_URL with ${title}`,
    ({ front, password }) => ({
      REDIS_URL: `redis://${credentials ?? `:${password}@`}127.0.0.1:${front.port}${path}`,
    }),
    (world) => {
      test(`executes, says ${reason} and writes nothing`, async () => {
        const text = uniqueText();
        assertExecuted(world, await world.run(cached(text)), reason);
        await after(WRITE_WAIT_MS);
        assert.ok(!world.store.front.commandNames().includes("SETEX"));
        assert.equal(await world.store.get(keyOf(text)), null);
      });
    },
  );
}
