/**
 * The model provider of the suite: OpenAI's `/v1/chat/completions`, the same where Azure has it, and
 * Anthropic's `/v1/messages`. It counts and remembers its calls, and can misbehave in every way a
 * real one does.
 */
import http from "node:http";
import { secret } from "./canary.mjs";
import { bodyOf, listen, shut } from "./http.mjs";

/** The body of a good answer. */
export function completion(content) {
  return {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1_700_000_000,
    model: "gpt-4o-mini",
    choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
    usage: { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 },
  };
}

const MESSAGES = "/v1/messages";
const PATHS = [
  /^\/v1\/chat\/completions$/,
  /^\/v1\/messages$/,
  /^\/openai\/deployments\/[^/]+\/chat\/completions\?api-version=[^&]+$/,
];

/** The body of a good answer of Anthropic's, of a text or of blocks. */
export function message(content) {
  return {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "claude",
    content: typeof content === "string" ? [{ type: "text", text: content }] : content,
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: { input_tokens: 9, output_tokens: 4 },
  };
}

/** How the upstream answers. Each is a function of (call, response). */
export const behaviours = {
  /** A good answer; by default the content is numbered, so that two executions differ. */
  answer: (content) => (call, response) => {
    const shape = call.path === MESSAGES ? message : completion;
    reply(response, 200, shape(content ?? `Summary ${call.number}.`));
  },
  /** A failure with a body of the caller's choice (text, or an object sent as JSON). */
  fail: (status, body, headers) => (_call, response) => reply(response, status, body, headers),
  /** As providers do: the refusal repeats the credential it refuses. */
  refuseAndEcho: () => (call, response) =>
    reply(response, 401, {
      error: {
        message: `Incorrect API key provided: ${keyOf(call.headers)}`,
        type: "invalid_request_error",
        param: null,
        code: "invalid_api_key",
      },
    }),
  /** Thinks before it does that. */
  late:
    (ms, next = behaviours.answer()) =>
    (call, response) =>
      setTimeout(() => next(call, response), ms),
  /** Takes the request and never answers. */
  hang: () => () => {},
  /** Headers and a part of the body at once, the rest never. */
  hangInBody: () => (_call, response) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
    response.write('{"choices":');
  },
  /** Any body with status 200. */
  body: (text) => (_call, response) => reply(response, 200, text),
  /** Announces more than it sends, then drops the connection. */
  truncate: () => (_call, response) => {
    const text = JSON.stringify(completion("cut off"));
    response.writeHead(200, {
      "content-type": "application/json",
      "content-length": String(text.length),
    });
    response.write(text.slice(0, 40), () => response.destroy());
  },
  /** Drops the connection without an answer. */
  reset: () => (_call, response) => response.destroy(),
  redirect: (location) => (_call, response) => reply(response, 302, "", { location }),
};

/** The credential, wherever a provider wants it. */
function keyOf(headers) {
  return headers.authorization ?? headers["x-api-key"] ?? headers["api-key"];
}

function reply(response, status, body, headers = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(text);
}

export async function startUpstream() {
  const calls = [];
  let behaviour = behaviours.answer();
  const server = http.createServer(async (request, response) => {
    const text = await bodyOf(request);
    const call = {
      number: calls.length + 1,
      method: request.method,
      path: request.url,
      headers: request.headers,
      text,
    };
    calls.push(call);
    if (PATHS.some((path) => path.test(request.url)) && request.method === "POST") {
      behaviour(call, response);
    } else {
      reply(response, 404, { error: { message: "no such path" } });
    }
  });
  const port = await listen(server);
  return {
    /** Where it is, without a path. */
    origin: `http://127.0.0.1:${port}`,
    /** What the Worker is told: its OPENAI_URL and OPENAI_API_KEY. */
    url: `http://127.0.0.1:${port}/v1`,
    key: secret("provider-key"),
    calls,
    /** From now on every call is answered like this. */
    behave(next) {
      behaviour = next;
    },
    /** Good answers and no calls remembered. */
    reset() {
      behaviour = behaviours.answer();
      calls.length = 0;
    },
    close: () => shut(server),
  };
}
