// What wasm asks of JavaScript, one call each: crossing between the two, and waking a Rust future,
// cost more than the work done here.

/**
 * What a request shows before its body is read, a line each: method, URL, then the headers that
 * were asked for (empty when absent). No method, URL or header can hold a line break.
 */
export function describe(request, names) {
  const { headers } = request;
  const lines = [request.method, request.url];
  for (const name of names.split(",")) lines.push(headers.get(name) ?? "");
  return lines.join("\n");
}

/**
 * The whole body of a request or a response, or null when it is over the limit: at once when its
 * length is announced, else piece by piece, so that nothing over the limit is held.
 */
export async function readBody(message, limit) {
  const { headers, body } = message;
  const announced = headers.get("content-length");
  if (announced !== null) {
    if (Number(announced) > limit) return null;
    // The length of an encoded body says nothing about what comes out.
    if (!headers.has("content-encoding")) return new Uint8Array(await message.arrayBuffer());
  }
  const pieces = [];
  let length = 0;
  for await (const piece of body ?? []) {
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

/**
 * Sends JSON by POST through `fetcher` (the global scope, a service or a Durable Object) and
 * resolves with [status, body or null when it is over the limit]. Rejects when there is no
 * complete answer within `deadline` milliseconds.
 */
export async function post(fetcher, url, authorization, body, deadline, limit) {
  const headers = { "content-type": "application/json" };
  if (authorization !== undefined) headers.authorization = authorization;
  const signal = AbortSignal.timeout(deadline);
  const init = { method: "POST", redirect: "manual", headers, body, signal };
  const response = await fetcher.fetch(url, init);
  return [response.status, await readBody(response, limit)];
}

/** A response. `headers` holds a name and a value in turn, a line each. */
export function respond(status, headers, body) {
  const lines = headers.split("\n");
  const members = {};
  for (let at = 0; at + 1 < lines.length; at += 2) members[lines[at]] = lines[at + 1];
  return new Response(body, { status, headers: members });
}

export function randomUuid() {
  return crypto.randomUUID();
}
