/** Calls of APIs: what is hashed and stored, where requests go, and what goes with them. */
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, beforeEach, test } from "node:test";
import { assertFailure, assertProblem } from "../support/assertions.mjs";
import { secret } from "../support/canary.mjs";
import { bodyOf, listen, shut } from "../support/http.mjs";
import { base64, overBothStores, withWorld } from "../support/world.mjs";

const CACHE = { namespace: "my-app", ttl: 3600 };
const TOKEN = secret("api-token");
const PARAM = secret("api-param");

/** A server that remembers its calls and answers as it is told. */
async function startApi() {
  const calls = [];
  let answer;
  const server = http.createServer(async (request, response) => {
    const { method, url, headers } = request;
    calls.push({ method, url, headers, body: await bodyOf(request) });
    answer(response, calls.length);
  });
  const port = await listen(server);
  const reply = (status, headers, body) => (response) => {
    response.writeHead(status, headers);
    response.end(body);
  };
  const api = {
    origin: `http://127.0.0.1:${port}`,
    calls,
    /** From now on every call is answered by this function, or with these. */
    answer(...how) {
      answer = typeof how[0] === "function" ? how[0] : reply(...how);
    },
    reset() {
      calls.length = 0;
      api.answer(200, { "content-type": "text/plain" }, "fine");
    },
    close: () => shut(server),
  };
  api.reset();
  return api;
}

const apis = {};

function withApis(define) {
  return (world) => {
    beforeEach(() => {
      for (const api of Object.values(apis)) api.reset();
    });
    define(
      (node, input, { cache = CACHE, ...rest } = {}) =>
        world.run({ input, config: { cache } }, { node, ...rest }),
      world,
    );
  };
}

before(async () => {
  for (const name of ["home", "other", "stranger"]) apis[name] = await startApi();
});
after(() => Promise.all(Object.values(apis).map((api) => api.close())));

const options = {
  workflows: "tests",
  env: () => ({
    API_URL: apis.home.origin,
    API_TOKEN: TOKEN,
    API_PARAM: PARAM,
    OTHER_ORIGIN: apis.other.origin,
  }),
};

const NO_KWARGS = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/** Of tests/vectors/dynamiq-runs.json. */
const SCENARIOS = {
  "http-json": {
    input: { params: { q: "x" } },
    hash: "043506b8cbcadcdc7d17683e85ab5dc3095bce31889eff37f208b3501f302f0b",
    type: "application/json",
    body: '{"hello":"world", "n":1.0, "z":null}',
    output: '{"content": {"hello": "world", "n": 1.0, "z": null}, "status_code": 200}',
  },
  "http-bytes-utf8": {
    input: {},
    hash: "242f66a0a11459d0de0f40617c74679c6e122045838d5d1feaf571610feb458d",
    type: "application/octet-stream",
    body: "héllo",
    output: '{"content": "h\\u00e9llo", "status_code": 200}',
  },
};

overBothStores(
  "a call of an API",
  options,
  withApis((run, world) => {
    for (const [name, { input, hash, type, body, output }] of Object.entries(SCENARIOS)) {
      test(`has Dynamiq's key and value, and is made once: ${name}`, async () => {
        apis.home.answer(200, { "content-type": type }, body);
        const first = await run("http", input);
        assert.equal(first.status, 200, first.text);
        const key = `my-app:http:${hash}:${NO_KWARGS}`;
        assert.equal(first.json.cache.key, key);
        assert.equal(await world.stored(key), base64(output));
        assert.ok(first.text.includes(`"output":${output}`), first.text);
        const second = await run("http", { ...input, files: {}, more: 1 });
        assert.equal(second.json.is_output_from_cache, true);
        assert.ok(second.text.includes(`"output":${output}`), second.text);
        assert.equal(apis.home.calls.length, 1);
      });
    }

    test("keeps bytes that are no text as Base64, and text in the charset that it names", async () => {
      const bytes = Buffer.from([0x68, 0xe9]);
      apis.home.answer(200, { "content-type": "text/plain; charset=iso-8859-1" }, bytes);
      const raw = await run("http", { data: { a: "bytes" } });
      assert.deepEqual(raw.json.output, { content: bytes.toString("base64"), status_code: 200 });
      const text = await run("http-text", {});
      assert.deepEqual(text.json.output, { content: "hé", status_code: 200 });
    });

    test("fails without storing anything, and stores the next answer", async () => {
      const input = { data: { a: "fails first" } };
      apis.home.answer(500, {}, "broken");
      const first = await run("http", input);
      assertFailure(first, 502, "UpstreamError");
      assert.match(first.json.error.message, /status 500: broken$/);
      assert.equal(await world.store.get(first.json.cache.key), null);
      apis.home.reset();
      const second = await run("http", input);
      assert.deepEqual([second.status, second.json.is_output_from_cache], [200, false]);
    });
  }),
);

withWorld(
  "the request of a call",
  options,
  withApis((run) => {
    test("has what definition and input say, a form by default", async () => {
      const input = {
        url: `${apis.home.origin}/päth a?x=1`,
        params: { q: ["a b", 1, null], t: true },
        headers: { "X-Own": "1" },
        data: { a: [1, 2.5], b: "x y&" },
        method: "PUT",
      };
      assert.equal((await run("http", input)).status, 200);
      const [{ method, url, headers, body }] = apis.home.calls;
      assert.deepEqual([method, url], ["PUT", "/p%C3%A4th%20a?x=1&q=a+b&q=1&t=True"]);
      assert.equal(body, "a=1&a=2.5&b=x+y%26");
      assert.equal(headers["content-type"], "application/x-www-form-urlencoded");
      assert.equal(headers["x-own"], "1");
    });

    test("is JSON where the input asks for it", async () => {
      await run("http", { payload_type: "json", data: { é: [1, { b: null }] } });
      const [{ method, headers, body }] = apis.home.calls;
      assert.deepEqual([method, headers["content-type"]], ["POST", "application/json"]);
      assert.equal(body, '{"\\u00e9": [1, {"b": null}]}');
    });

    const wrong = {
      "data: has to be an object": { data: 1 },
      "payload_type: has to be": { payload_type: "xml" },
      "method: has to be": { method: "get" },
      "files: the edge sends no files": { files: { a: "b" } },
      "url: has to start with https:// or http://": { url: "file:///etc/passwd" },
      "url: may not hold a user name": { url: "http://u:p@127.0.0.1/" },
      "headers.Host: is not for": { headers: { Host: "example.com" } },
      "headers.a: has to be one line": { headers: { a: "b\r\nx: y" } },
      "params.a: has to be a string": { params: { a: {} } },
      "data: GET carries no data": { method: "GET", data: { a: 1 } },
    };
    for (const [message, input] of Object.entries(wrong)) {
      test(`is not made when the input is wrong, which is 422: ${message}`, async () => {
        const answer = await run("http", input);
        assertFailure(answer, 422, "ValidationError");
        assert.ok(answer.json.error.message.startsWith(message), answer.json.error.message);
        assert.equal(apis.home.calls.length, 0);
      });
    }
  }),
);

withWorld(
  "where a call may go",
  options,
  withApis((run) => {
    const nobodyElse = () => assert.deepEqual(apis.stranger.calls, []);
    const told = (api, at) => {
      const { url, headers } = api.calls[at];
      return { url, authorization: headers.authorization, cookie: headers.cookie };
    };
    const redirect = (status, location) => (response) => {
      response.writeHead(status, { location, "set-cookie": "a=b" });
      response.end();
    };

    test("its own origin gets the credentials, and redirects there keep them", async () => {
      apis.home.answer((response, number) =>
        number === 1 ? redirect(302, "../next?x=1")(response) : response.end("there"),
      );
      const answer = await run("http-secret", { params: { n: 1 } });
      assert.equal(answer.json.output?.content, "there", answer.text);
      const authorization = `Bearer ${TOKEN}`;
      assert.deepEqual(told(apis.home, 0), {
        url: `/api?api_key=${PARAM}&n=1`,
        authorization,
        cookie: undefined,
      });
      assert.deepEqual(told(apis.home, 1), { url: "/next?x=1", authorization, cookie: undefined });
    });

    test("another origin of the list gets none of them", async () => {
      const input = { url: `${apis.other.origin}/x`, headers: { "x-own": "1" } };
      assert.equal((await run("http-secret", input)).status, 200);
      assert.equal(apis.other.calls[0].url, "/x");
      assert.equal(apis.other.calls[0].headers["x-own"], "1");
      assert.doesNotMatch(JSON.stringify(apis.other.calls), /CANARY/);
    });

    test("a redirect to another origin of the list leaves credentials behind, for good", async () => {
      apis.home.answer((response, number) =>
        number === 1
          ? redirect(307, `${apis.other.origin}/x`)(response)
          : response.end(JSON.stringify(apis.home.calls.at(-1).headers)),
      );
      apis.other.answer(redirect(301, `${apis.home.origin}/back`));
      const input = { headers: { "x-token": "of the caller" } };
      const answer = await run("http-secret", input, { cache: { namespace: "my-app", ttl: 0 } });
      assert.equal(answer.status, 200);
      assert.equal(apis.other.calls.length, 1);
      for (const call of [apis.other.calls[0], apis.home.calls[1]]) {
        assert.doesNotMatch(JSON.stringify(call), /CANARY|of the caller/);
      }
    });

    test("a stranger is never asked, neither at once nor after a redirect", async () => {
      const { port } = new URL(apis.stranger.origin);
      const strange = [
        `http://127.0.0.1:${port}/`,
        `http://localhost:${port}/`,
        `//127.0.0.1:${port}/`,
        `${apis.home.origin}@127.0.0.1:${port}/`,
        `http://127.0.0.1:${port}\\@${new URL(apis.home.origin).host}/`,
        `http:\\\\127.0.0.1:${port}/`,
        `http://2130706433:${port}/`,
      ];
      for (const url of strange) {
        assertFailure(await run("http-secret", { url }), 422, "ValidationError");
        for (const status of [301, 302, 303, 307, 308]) {
          apis.home.reset();
          apis.home.answer((response, number) =>
            number === 1 ? redirect(status, url)(response) : response.end("at home"),
          );
          const answer = await run("http-secret", { params: { url, status } });
          // What is a path to a browser stays at home.
          if (answer.status !== 200) assertFailure(answer, 502, "UpstreamError");
        }
      }
      nobodyElse();
    });

    test("redirects end", async () => {
      apis.home.answer(redirect(302, "/again"));
      const answer = await run("http-secret", { params: { n: 2 } });
      assertFailure(answer, 502, "UpstreamError");
      assert.match(answer.json.error.message, /redirects more than 5 times/);
      assert.equal(apis.home.calls.length, 6);
    });

    test("a server that repeats the credentials does not tell the caller", async () => {
      for (const status of [400, 401, 403, 404, 418, 500]) {
        apis.home.reset();
        apis.home.answer(status, {}, `wrong: ${TOKEN} and ${PARAM}`);
        const answer = await run("http-secret", { params: { status } });
        assertFailure(answer, 502, "UpstreamError");
        assert.match(answer.json.error.message, new RegExp(`status ${status}`));
        assert.doesNotMatch(answer.text, /CANARY/);
      }
    });
  }),
);

// In a world of its own: after a lookup that took too long, everything is ended at once for a while.
withWorld(
  "a server that hangs",
  options,
  withApis((run) => {
    test("is hung up on, so that the next attempt has its connection", async () => {
      for (const [node, attempts] of [
        ["http-given-up", 3],
        ["http-impatient", 2],
      ]) {
        let open = 0;
        let most = 0;
        apis.home.reset();
        apis.home.answer((response) => {
          most = Math.max(most, ++open);
          response.on("close", () => open--);
        });
        assertFailure(await run(node, {}), 504, "TimeoutError");
        assert.equal(apis.home.calls.length, attempts, node);
        assert.equal(most, 1, node);
      }
    });
  }),
);

withWorld(
  "a server that misbehaves",
  options,
  withApis((run) => {
    test("is given up after the node's timeout, which is 504", async () => {
      const hangs = {
        "no answer": () => {},
        "half an answer": (response) => {
          response.writeHead(200, { "content-length": "100" });
          response.write("half");
        },
      };
      for (const [name, hang] of Object.entries(hangs)) {
        apis.home.answer(hang);
        const answer = await run("http-small", {});
        assertFailure(answer, 504, "TimeoutError");
        assert.ok(answer.elapsed < 5000, name);
      }
    });

    test("may answer with as many bytes as the node takes, and not one more", async () => {
      for (const [length, chunked, status] of [
        [1000, false, 200],
        [1001, false, 502],
        [1000, true, 200],
        [1001, true, 502],
        [5_000_000, true, 502],
      ]) {
        apis.home.answer((response) => {
          const body = "x".repeat(length);
          response.writeHead(200, chunked ? {} : { "content-length": String(length) });
          if (chunked) response.write(body.slice(0, 10));
          response.end(chunked ? body.slice(10) : body);
        });
        const answer = await run("http-small", {});
        assert.equal(answer.status, status, `${length} ${chunked}`);
        if (status !== 200) assert.match(answer.json.error.message, /max_response_bytes/);
      }
    });

    test("that breaks off or closes the connection is 502", async () => {
      for (const breaks of [
        (response) => response.destroy(),
        (response) => {
          response.writeHead(200, { "content-length": "100" });
          response.write("half", () => response.destroy());
        },
      ]) {
        apis.home.answer(breaks);
        assertFailure(await run("http", { data: { a: "breaks" } }), 502, "UpstreamError");
      }
    });

    test("may have other codes of success", async () => {
      apis.home.answer(404, {}, "none");
      assert.deepEqual((await run("http-small", {})).json.output, {
        content: "none",
        status_code: 404,
      });
    });

    test("is 502 when its JSON is none", async () => {
      for (const body of ["", "<html>", "{", "NaN", "[1e999]", Buffer.from([0xff])]) {
        apis.home.answer(200, { "content-type": "application/json" }, body);
        const answer = await run("http-json", {});
        assertFailure(answer, 502, "UpstreamError");
        assert.match(answer.json.error.message, /not JSON/);
      }
    });

    test("is asked again as error_handling says, but not when it refuses", async () => {
      apis.home.answer((response, number) => {
        response.writeHead(number < 3 ? 503 : 200, { "retry-after": "0" });
        response.end("x");
      });
      assert.equal((await run("http-retried", {})).status, 200);
      assert.equal(apis.home.calls.length, 3);
      apis.home.reset();
      apis.home.answer(404, {}, "");
      assertFailure(await run("http-retried", {}), 502, "UpstreamError");
      assert.equal(apis.home.calls.length, 1);
    });
  }),
);

withWorld(
  "a call whose settings are not all there",
  { ...options, env: () => ({ ...options.env(), API_TOKEN: undefined, OTHER_ORIGIN: "x" }) },
  (world) => {
    test("says which one to set", async () => {
      const answer = await world.run({ input: {} }, { node: "http-secret" });
      assertProblem(answer, 503, "provider-key-missing");
      assert.match(answer.json.detail, /API_TOKEN/);
    });
  },
);

withWorld("what is deployed", options, (world) => {
  test("is listed with its inputs", async () => {
    const headers = { authorization: `Bearer ${world.keys.team}` };
    const { json } = await world.send("/v1/nodes", { headers });
    const node = json.nodes.find(({ id }) => id === "http-secret");
    assert.deepEqual([node.model, node.input], [null, []]);
  });
});
