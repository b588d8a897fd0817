// What wasm asks of JavaScript, one call each: crossing between the two, and waking a Rust future,
// cost more than the work done here. What takes time ends in `done(call, status, value)`.
import { connect } from "cloudflare:sockets";
import { waitUntil } from "cloudflare:workers";

/** The whole body of a request: 200 and a `Uint8Array`, 413 when it is over the limit, or 0. */
export function readBody(request, limit, done, call) {
  const end = withHeartbeat(done, call, () => {});
  bytesOf(request, limit).then(
    (bytes) => end(bytes === null ? 413 : 200, bytes),
    () => end(0, undefined),
  );
}

/**
 * What requests through `fetcher` (the global scope, a service or a Durable Object) have in common. The
 * first of them makes a `Headers` of the `lines`, a name and a value in turn, and fails when it cannot.
 * `cache` is what `fetch` takes under that name.
 */
export function prepare(fetcher, method, lines, cache) {
  return { fetcher, method, cache, lines, headers: undefined };
}

/**
 * Sends a request, as prepared, to a URL. Answers with the status and the body (null when it is over the
 * limit, and text when it is small and may be lossy), or with 0 and the error's name when there is no
 * complete response within `deadline` milliseconds. Without a deadline it goes on until it is
 * cancelled. What `hangsUp` is ended at once by both. The values of the `wanted` headers, a line each,
 * are noted at the body. `body` is a view into the memory of wasm, which is sent at once.
 */
export function send(target, url, body, deadline, hangsUp, limit, wanted, isLossy, done, call) {
  if (!hangsUp && deadline <= HEARTBEAT_MS && !isCautious()) {
    const end = withTimer(done, call, deadline);
    exchange(target, url, body, undefined, limit, wanted, isLossy, end);
    return;
  }
  const controller = new AbortController();
  const signals = [controller.signal];
  if (deadline !== undefined) signals.push(AbortSignal.timeout(deadline));
  const end = withHeartbeat(done, call, () => controller.abort());
  const signal = AbortSignal.any(signals);
  exchange(target, url, body, signal, limit, wanted, isLossy, end);
}

const ignore = () => {};

/**
 * Connects and sends `bytes`, which are a view into the memory of wasm. Nothing is thrown and nothing
 * waited for: what became of it is what `readSocket` says. After `deadline` milliseconds the
 * connection is closed.
 */
export function openSocket(hostname, port, tls, bytes, deadline) {
  const connection = { size: FIRST_READ, isLong: deadline > HEARTBEAT_MS, late: ignore };
  connection.timer = setTimeout(() => {
    connection.isLate = true;
    connection.late();
    closeSocket(connection);
  }, deadline);
  try {
    const secureTransport = tls ? "on" : "off";
    const socket = connect({ hostname, port }, { secureTransport, allowHalfOpen: false });
    connection.socket = socket;
    for (const promise of [socket.opened, socket.closed]) promise.catch(ignore);
    socket.writable.getWriter().write(bytes.slice()).catch(ignore);
    connection.reader = socket.readable.getReader({ mode: "byob" });
  } catch {
    // An address that is none; there is no reader then.
  }
  return connection;
}

/** Most replies are small. What is longer is read in ever larger pieces. */
const FIRST_READ = 4 * 1024;
const LARGEST_READ = 1024 * 1024;

/** The next bytes: 200 and a `Uint8Array`, empty at the end; or 0 and the name of the error. */
export function readSocket(connection, done, call) {
  if (connection.isLate) return done(call, 0, "TimeoutError");
  if (!connection.reader) return done(call, 0, "Error");
  const answer = connection.isLong
    ? withHeartbeat(done, call, ignore)
    : (...was) => done(call, ...was);
  const end = (status, value) => {
    connection.late = ignore;
    answer(status, value);
  };
  connection.late = () => end(0, "TimeoutError");
  const late = connection.late;
  connection.reader.read(new Uint8Array(connection.size)).then(
    ({ value }) => {
      if (connection.late !== late) return;
      connection.size = Math.min(connection.size * 4, LARGEST_READ);
      end(200, value);
    },
    (error) => {
      if (connection.late === late) end(0, error?.name);
    },
  );
}

/** Also after its request is gone, whose sockets nobody else may touch. */
export function closeSocket({ socket, timer }) {
  clearTimeout(timer);
  try {
    socket?.close().catch(ignore);
  } catch {
    // It is gone with its request.
  }
}

/**
 * Asks a model through a binding: 200 and what it gave, as JSON text; 413 when that is over the
 * limit; 404 when there is no such binding; or 0 and the message of the error.
 */
export function runModel(env, binding, model, inputs, limit, done, call) {
  const end = withHeartbeat(done, call, () => {});
  asked(env[binding], model, inputs, limit).then(
    ([status, output]) => end(status, output),
    (error) => end(0, `${error?.message ?? error}`),
  );
}

async function asked(ai, model, inputs, limit) {
  if (ai === undefined) return [404, undefined];
  const output = JSON.stringify(await ai.run(model, JSON.parse(inputs))) ?? "null";
  return output.length > limit ? [413, undefined] : [200, output];
}

/** Adds a data point, of which this is the JSON text, to a dataset. No run fails for its metrics. */
export function writeDataPoint(dataset, point) {
  try {
    // A dataset gives nothing; a service in its place a promise, which would end with the request.
    const written = dataset.writeDataPoint(JSON.parse(point));
    if (written !== undefined) waitUntil(written.catch(ignore));
  } catch {
    // More points than an invocation may write, or a binding to something else.
  }
}

/**
 * A signal takes a tenth of what a hit takes, a timer less. But a timer leaves the fetch open, and with
 * it one of the request's six connections. So short calls have a timer until one of them needed it: for
 * a while after that, they have a signal too.
 */
let cautiousUntil = 0;
const CAUTION_MS = 60_000;

function isCautious() {
  // The clock is asked only when it matters.
  if (cautiousUntil !== 0 && Date.now() >= cautiousUntil) cautiousUntil = 0;
  return cautiousUntil !== 0;
}

function withTimer(done, call, deadline) {
  const now = Date.now();
  const late = { at: now + deadline };
  // Told by a timer that may be another request's: by way of a promise of its own, a call ends in its
  // own request.
  const told = new Promise((resolve) => {
    late.tell = resolve;
  });
  told.then(() => {
    cautiousUntil = Date.now() + CAUTION_MS;
    done(call, 0, "TimeoutError");
  });
  watchAt(late.at, now);
  watched.add(late);
  return (status, value) => {
    if (watched.delete(late)) done(call, status, value);
  };
}

/** The calls that timers look for. A timer for each would take a thirtieth of what a hit takes. */
const watched = new Set();
/** When the timer looks on which calls rely that start now; undefined when there is none. */
let watch;
/** How late a timer may be. What is later went with its request. */
const GRACE_MS = 1_000;

/** Sees to it that a timer looks at that time or before, and after that as often as it has to. */
function watchAt(at, now) {
  if (watch === undefined || watch.looksAt > at) startWatch(at, now);
  else if (watch.looksAt + GRACE_MS < now) startWatch(now, now);
}

function startWatch(looksAt, now) {
  const started = { looksAt };
  watch = started;
  let last = Number.POSITIVE_INFINITY;
  const look = (resolve) => {
    const now = Date.now();
    // What starts from now on has another timer, so that this one comes to an end.
    if (watch === started) watch = undefined;
    let next = Number.POSITIVE_INFINITY;
    let latest = now;
    for (const late of watched) {
      if (late.at > last) continue;
      if (late.at > now) {
        next = Math.min(next, late.at);
        latest = Math.max(latest, late.at);
      } else if (watched.delete(late)) late.tell();
    }
    last = latest;
    if (latest === now) resolve();
    else setTimeout(look, next - now, resolve);
  };
  // Whatever becomes of the request whose timer it is, others rely on it.
  waitUntil(new Promise((resolve) => setTimeout(look, looksAt - now, resolve)));
}

/** How often a call that may take long tells wasm that its request is still there. */
const HEARTBEAT_MS = 5_000;
/** No HTTP status. */
const ALIVE = 1;

/** How to end the calls that may take long, by their numbers. */
const cancellations = new Map();

/** Ends what a call has started and nobody waits for any more. */
export function cancel(call) {
  cancellations.get(call)?.();
}

/** Keeps nothing more of a call whose request is gone, and with it what it had started. */
export function forget(call) {
  cancellations.delete(call);
}

/** While a request lives its timers run: `Call` in call.rs says what that is good for. */
function withHeartbeat(done, call, stop) {
  const heartbeat = setInterval(() => done(call, ALIVE, undefined), HEARTBEAT_MS);
  const quiet = () => {
    clearInterval(heartbeat);
    forget(call);
  };
  cancellations.set(call, () => {
    quiet();
    stop();
  });
  return (status, value) => {
    quiet();
    done(call, status, value);
  };
}

/** Names and values that stand in turn, as pairs. */
function pairs(lines) {
  const pairs = [];
  for (let at = 0; at + 1 < lines.length; at += 2) pairs.push([lines[at], lines[at + 1]]);
  return pairs;
}

/** Ends with the status and the body, or with 0 and the error's name. */
async function exchange(target, url, body, signal, limit, wanted, isLossy, end) {
  const { fetcher, method, cache } = target;
  let response;
  let read;
  try {
    target.headers ??= new Headers(pairs(target.lines.split("\n")));
    const { headers } = target;
    response = await fetcher.fetch(url, {
      method,
      redirect: "manual",
      cache,
      headers,
      body,
      signal,
    });
    read = await bytesOf(response, limit, isLossy);
  } catch (error) {
    end(0, error?.name);
    return;
  }
  // A property of the bytes, which text cannot have: who wants headers wants bytes.
  if (read !== null && wanted !== undefined)
    read.wanted = wanted
      .split("\n")
      .map((name) => wantedHeader(name, response.headers.get(name)))
      .join("\n");
  end(response.status, read);
}

/** A header; `Retry-After`, which is a number of seconds or a date, as a number of seconds. */
function wantedHeader(name, value) {
  if (value === null || name !== "retry-after") return value ?? "";
  const seconds = Number(value);
  const until = Number.isNaN(seconds) ? (Date.parse(value) - Date.now()) / 1000 : seconds;
  return Number.isNaN(until) ? "" : `${Math.max(until, 0)}`;
}

/** Waits, and answers with 200. */
export function sleep(milliseconds, done, call) {
  const end = withHeartbeat(done, call, () => clearTimeout(timer));
  const timer = setTimeout(() => end(200, undefined), milliseconds);
}

/** Up to this many bytes, text is read faster, and copied to wasm as fast. */
const SMALL_TEXT = 4 * 1024;

/**
 * The whole body of a request or a response, or null when it is over the limit. A small one is text
 * where it may be lossy.
 */
function bytesOf(message, limit, isLossy = false) {
  const announced = announcedLength(message.headers);
  if (announced < 0) return readPieces(message.body ?? [], limit);
  if (announced > limit) return leave(message);
  if (isLossy && announced <= SMALL_TEXT) return message.text();
  return message.arrayBuffer().then((buffer) => new Uint8Array(buffer));
}

/** An unread body would hold its connection, of which a request has six. */
async function leave(message) {
  await message.body?.cancel();
  return null;
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

/** The header `Origin` of its request. */
export function originOf(event) {
  return event.request.headers.get("origin") ?? undefined;
}

/** The headers of the latest response. */
let latest;

/**
 * Answers an event with a response. `headers` holds a name and a value in turn, a line each: of all
 * headers, or of those that are not as in the latest response, most of which differ in a value or two.
 * The response makes a copy of them; a dictionary would be read value by value, half of what a response
 * takes. `body` is a view into the memory of wasm, of which a copy is made too.
 */
export function respond(event, status, areAll, headers, body) {
  const changes = headers === "" ? [] : pairs(headers.split("\n"));
  if (areAll) latest = new Headers(changes);
  else for (const [name, value] of changes) latest.set(name, value);
  event.resolve(new Response(body, { status, headers: latest }));
}
