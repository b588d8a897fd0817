/**
 * Upstash's REST dialect in front of a Redis of our own, as far as the cache and the official
 * client need it: `POST /` with one command as a JSON array, `POST /pipeline` with several, `GET` with
 * one command in the path, a Bearer token, `{"result"}` or `{"error"}`, and Base64 results on
 * `Upstash-Encoding: base64`.
 * It keeps a journal of what it was asked, and can fail in the ways a real one does.
 */
import http from "node:http";
import { secret } from "./canary.mjs";
import { bodyOf, listen, shut } from "./http.mjs";
import { sendForBytes } from "./redis.mjs";

/** How the front fails. Each is a function of (response, execute, the commands of a pipeline). */
export const faults = {
  wrongToken: (response) =>
    reply(response, 401, { error: "WRONGPASS invalid or missing auth token" }),
  /** The answer of a proxy that stands in front of a broken server. */
  htmlError: (response) =>
    reply(response, 500, "<html><body>Internal Server Error</body></html>", "text/html"),
  /** What serverless-redis-http says to a command that is not in a body. */
  noUrls: (response, execute) =>
    response.req.method === "POST"
      ? execute()
      : reply(response, 404, { error: "endpoint not found" }),
  tooManyRequests: (response) => reply(response, 429, { error: "ERR max requests limit exceeded" }),
  commandError: (response) => reply(response, 400, { error: "ERR something is wrong" }),
  /** What Upstash says to a read-only token that writes. */
  readOnlyToken: (response, _execute, pipeline) => {
    const refusal = { error: "NOPERM this user has no permissions to run the 'setex' command" };
    if (pipeline)
      reply(
        response,
        200,
        pipeline.map(() => refusal),
      );
    else reply(response, 400, refusal);
  },
  garbage: (response) => reply(response, 200, "%%% this is not JSON"),
  /** JSON, but neither a result nor an error. */
  noResult: (response) => reply(response, 200, { answer: 42 }),
  resultOfWrongType: (response) => reply(response, 200, { result: { content: "not a string" } }),
  hang: () => {},
  /** Headers at once, the body never. */
  hangInBody: (response) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": "100" });
    response.write('{"result":');
  },
  reset: (response) => response.destroy(),
  /** Does the work, and breaks off in the middle of the reply. */
  resetMidReply: replying((response, [status, headers], text) => {
    response.writeHead(status, { ...headers, "content-length": text.length });
    response.write(text.subarray(0, text.length / 2), () => response.destroy());
  }),
  /** Does the work, and ends the reply in its middle as if that were all. */
  truncated: replying((response, head, text) => {
    response.writeHead(...head);
    response.end(text.subarray(0, text.length / 2));
  }),
  /** Does the work, and turns over bits of the reply. */
  garbled: replying((response, head, text) => {
    response.writeHead(...head);
    response.end(text.map((byte, index) => (index % 3 ? byte : byte ^ 0x80)));
  }),
  /** Does the work, and sends the reply byte by byte, with a pause after each. */
  drip: (ms) =>
    replying((response, [status, headers], text) => {
      response.writeHead(status, { ...headers, "content-length": text.length });
      let sent = 0;
      const timer = setInterval(() => {
        response.write(text.subarray(sent, ++sent));
        if (sent < text.length && !response.destroyed) return;
        clearInterval(timer);
        response.end();
      }, ms);
    }),
  redirect: (location) => (response) => {
    response.writeHead(307, { location });
    response.end();
  },
  /** Does the work, after a while. */
  slow: (ms) => (_response, execute) => setTimeout(execute, ms),
};

/** Does the work, and lets `send` have the head (as for `writeHead`) and the bytes of the reply. */
function replying(send) {
  return (response, execute) => {
    let head;
    response.writeHead = (...args) => {
      head = args;
    };
    response.end = (text) => {
      delete response.writeHead;
      delete response.end;
      send(response, head, Buffer.from(text));
    };
    execute();
  };
}

/** @param {{client: import("redis").RedisClientType}} redis what `startRedis` returned */
export async function startUpstashFront(redis) {
  const token = secret("redis-token");
  const journal = [];
  let fault = null;
  let connections = 0;

  const server = http.createServer(async (request, response) => {
    const text = await bodyOf(request);
    const commands = parseCommands(request, text);
    const { method, url: path, headers } = request;
    journal.push({ method, path, headers, text, commands: commands ?? [] });
    const execute = () => answer(request, response, commands).catch(() => response.destroy());
    if (fault?.applies(commands ?? [])) {
      fault.act(response, execute, request.url === "/pipeline" ? commands : undefined);
    } else await execute();
  });
  server.on("connection", () => {
    connections += 1;
  });

  async function answer(request, response, commands) {
    if (request.headers.authorization !== `Bearer ${token}`) {
      return faults.wrongToken(response);
    }
    if (!["GET", "POST"].includes(request.method)) {
      return reply(response, 405, { error: "ERR only GET and POST are understood here" });
    }
    if (!commands) {
      return reply(response, 400, { error: "ERR failed to parse the command" });
    }
    const encode = encoderFor(request);
    const results = [];
    for (const command of commands) results.push(await run(command, encode));
    if (request.url === "/pipeline") return reply(response, 200, results);
    return reply(response, results[0].error === undefined ? 200 : 400, results[0]);
  }

  async function run(command, encode) {
    try {
      return { result: encode(await sendForBytes(redis.client, command.map(String))) };
    } catch (error) {
      return { error: error.message };
    }
  }

  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}`,
    token,
    journal,
    /** The commands the Worker sent, in order, such as ["GET", "SETEX"]. */
    commandNames: () =>
      journal.flatMap(({ commands }) => commands.map(([name]) => String(name).toUpperCase())),
    /** How many connections were ever opened; a reset does not close those that are kept alive. */
    get connections() {
      return connections;
    },
    /**
     * From now on requests fail like this; with `only`, just those that hold that command.
     * @param {(response: http.ServerResponse, execute: () => void, pipeline?: unknown[][]) => void} act
     */
    fail(act, { only } = {}) {
      const named = ([name]) => String(name).toUpperCase() === only;
      fault = { act, applies: (commands) => only === undefined || commands.some(named) };
    },
    /** Nothing listens any more: connections are refused, until `reset`. */
    refuse: () => shut(server),
    async reset() {
      fault = null;
      journal.length = 0;
      if (!server.listening) await listen(server, port);
    },
    close: () => shut(server),
  };
}

/** The commands of a request, or null when it is not of the dialect. */
function parseCommands({ method, url }, text) {
  try {
    if (method === "GET") return [url.slice(1).split("/").map(decodeURIComponent)];
    const parsed = JSON.parse(text);
    const commands = url === "/pipeline" ? parsed : [parsed];
    const isCommand = (command) => Array.isArray(command) && command.length > 0;
    return Array.isArray(commands) && commands.every(isCommand) ? commands : null;
  } catch {
    return null;
  }
}

/** Strings come as bytes from Redis, statuses ("OK") as strings; the latter are never encoded. */
function encoderFor(request) {
  const encoding = request.headers["upstash-encoding"] === "base64" ? "base64" : "utf8";
  return function encode(value) {
    if (Buffer.isBuffer(value)) return value.toString(encoding);
    if (Array.isArray(value)) return value.map(encode);
    if (typeof value === "string" && value !== "OK" && encoding === "base64") {
      return Buffer.from(value).toString("base64");
    }
    return value;
  };
}

function reply(response, status, body, type = "application/json") {
  response.writeHead(status, { "content-type": type });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}
