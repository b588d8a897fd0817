// What wasm asks of JavaScript, one call each: crossing between the two, and waking a Rust future,
// cost more than the work done here. What takes time ends in `done(call, status, value)`.

/** The whole body of a request: 200 and a `Uint8Array`, 413 when it is over the limit, or 0. */
export function readBody(request, limit, done, call) {
  const end = withHeartbeat(done, call);
  bytesOf(request, limit).then(
    (bytes) => end(bytes === null ? 413 : 200, bytes),
    () => end(0, undefined),
  );
}

/**
 * Sends JSON by POST through `fetcher` (the global scope, a service or a Durable Object). Answers
 * with the status and the body (null when it is over the limit), or with 0 and the error's name
 * when there is no complete response within `deadline` milliseconds.
 */
export function post(fetcher, url, authorization, body, deadline, limit, done, call) {
  const short = deadline <= HEARTBEAT_MS;
  const end = short ? (status, value) => done(call, status, value) : withHeartbeat(done, call);
  exchange(fetcher, url, authorization, body, deadline, limit).then(
    ([status, bytes]) => end(status, bytes),
    (error) => end(0, error?.name),
  );
}

/** How often a call that may take long tells wasm that its request is still there. */
const HEARTBEAT_MS = 5_000;
/** No HTTP status. */
const ALIVE = 1;

/** While a request lives its timers run: `Call` in call.rs says what that is good for. */
function withHeartbeat(done, call) {
  const heartbeat = setInterval(() => done(call, ALIVE, undefined), HEARTBEAT_MS);
  return (status, value) => {
    clearInterval(heartbeat);
    done(call, status, value);
  };
}

async function exchange(fetcher, url, authorization, body, deadline, limit) {
  const headers = { "content-type": "application/json" };
  if (authorization !== undefined) headers.authorization = authorization;
  const signal = AbortSignal.timeout(deadline);
  const init = { method: "POST", redirect: "manual", headers, body, signal };
  const response = await fetcher.fetch(url, init);
  return [response.status, await bytesOf(response, limit)];
}

/** The whole body of a request or a response, or null when it is over the limit. */
async function bytesOf(message, limit) {
  const announced = announcedLength(message.headers);
  if (announced > limit) {
    // An unread body would hold its connection, of which a request has six.
    await message.body?.cancel();
    return null;
  }
  return announced >= 0
    ? new Uint8Array(await message.arrayBuffer())
    : await readPieces(message.body ?? [], limit);
}

/** How long a body is, or -1 when nothing says what comes out of it. */
function announcedLength(headers) {
  const announced = headers.get("content-length");
  return announced === null || headers.has("content-encoding") ? -1 : Number(announced);
}

/** Piece by piece, so that nothing over the limit is held. */
async function readPieces(body, limit) {
  const pieces = [];
  let length = 0;
  for await (const piece of body) {
    length += piece.length;
    // Leaving the loop cancels the stream.
    if (length > limit) return null;
    pieces.push(piece);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** A response. `headers` holds a name and a value in turn, a line each. */
export function respond(status, headers, body) {
  const lines = headers.split("\n");
  const members = {};
  for (let at = 0; at + 1 < lines.length; at += 2) members[lines[at]] = lines[at + 1];
  return new Response(body, { status, headers: members });
}
