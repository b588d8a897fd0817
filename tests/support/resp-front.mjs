/**
 * A TCP proxy in front of a Redis of our own, with TLS when it is given a certificate. It keeps a
 * journal of what arrived, and can fail in the ways that connections do.
 */
import net from "node:net";
import tls from "node:tls";
import { listen } from "./http.mjs";

/**
 * How the front fails. Each is a function of (socket, forward): the connection of the Worker, and what
 * hands its commands to Redis and calls back with the replies.
 */
export const respFaults = {
  hang: () => {},
  reset: (socket) => socket.resetAndDestroy(),
  /** Says this, whatever it was asked. */
  say: (text) => (socket) => socket.end(text),
  /** Says this and leaves the connection open. */
  sayAndHang: (text) => (socket) => socket.write(text),
  /** Does the work, after a while. */
  slow: (ms) => (socket, forward) =>
    setTimeout(() => forward((replies) => socket.write(replies)), ms),
  /** Does the work, and answers with every byte by itself. */
  byteByByte: (socket, forward) =>
    forward(async (replies) => {
      for (const byte of replies) {
        if (socket.destroyed) return;
        socket.write(Buffer.of(byte));
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }),
  /** Does the work, and leaves off the end of the answer. */
  truncate: (socket, forward) => forward((replies) => socket.end(replies.subarray(0, -3))),
  /** Does the work, and resets the connection in the middle of the answer. */
  resetInReply: (socket, forward) =>
    forward((replies) =>
      socket.write(replies.subarray(0, -3), () => setTimeout(() => socket.resetAndDestroy(), 20)),
    ),
};

/**
 * @param {{url: string}} redis what `startRedis` returned
 * @param {{key: string, cert: string}} [certificate]
 */
export async function startRespFront(redis, certificate) {
  const upstream = new URL(redis.url);
  const journal = [];
  const sockets = new Set();
  let fault = null;
  let connections = 0;

  function serve(socket) {
    socket.setNoDelay(true);
    const ask = connectInner(socket);
    let received = Buffer.alloc(0);
    let writes = 0;
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      writes += 1;
      const commands = commandsIn(received);
      if (!commands) return;
      journal.push({ commands, writes });
      const bytes = received;
      received = Buffer.alloc(0);
      writes = 0;
      const act = fault?.applies(commands) ? fault.act : pass;
      act(socket, (then) => ask(bytes, commands.length).then(then));
    });
  }

  const pass = (socket, forward) => forward((replies) => socket.write(replies));

  /** A connection to Redis for one of the Worker's: takes commands, gives all their replies. */
  function connectInner(socket) {
    const inner = track(net.connect(Number(upstream.port), upstream.hostname));
    socket.once("close", () => inner.destroy());
    let before = Promise.resolve();
    return (bytes, count) => {
      before = before.then(() => {
        const answered = Promise.withResolvers();
        let replies = Buffer.alloc(0);
        inner.on("data", function read(chunk) {
          replies = Buffer.concat([replies, chunk]);
          if (repliesIn(replies) < count) return;
          inner.off("data", read);
          answered.resolve(replies);
        });
        inner.write(bytes);
        return answered.promise;
      });
      return before;
    };
  }

  function track(socket) {
    sockets.add(socket);
    // Resets are what tests ask for.
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    return socket;
  }

  const accept = (socket) => serve(track(socket));
  const server = certificate ? tls.createServer(certificate, accept) : net.createServer(accept);
  server.on("connection", (socket) => {
    connections += 1;
    track(socket);
  });
  server.on("tlsClientError", () => {});
  const port = await listen(server);

  function close() {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(() => resolve()));
  }

  return {
    port,
    /** With the credentials of the Redis behind it. */
    url: `${certificate ? "rediss" : "redis"}://:${upstream.password}@127.0.0.1:${port}`,
    journal,
    commandNames: () =>
      journal.flatMap(({ commands }) => commands.map(([name]) => name.toUpperCase())),
    /** How many connections were ever opened. */
    get connections() {
      return connections;
    },
    /** How many are open, those to Redis among them. */
    get open() {
      return sockets.size;
    },
    /**
     * From now on connections fail like this; with `only`, just those with that command.
     * @param {(socket: net.Socket, forward: (then: (replies: Buffer) => void) => void) => void} act
     */
    fail(act, { only } = {}) {
      const named = ([name]) => name.toUpperCase() === only;
      fault = { act, applies: (commands) => only === undefined || commands.some(named) };
    },
    /** Nothing listens any more: connections are refused, until `reset`. */
    refuse: close,
    async reset() {
      fault = null;
      journal.length = 0;
      if (!server.listening) await listen(server, port);
    },
    close,
  };
}

/** The commands that the bytes are, or null while something is missing. */
function commandsIn(bytes) {
  const commands = [];
  let at = 0;
  while (at < bytes.length) {
    const found = valueAt(bytes, at);
    if (!found) return null;
    commands.push(found.value);
    at = found.end;
  }
  return commands;
}

/** How many complete replies the bytes hold. */
function repliesIn(bytes) {
  let count = 0;
  for (let found = valueAt(bytes, 0); found; found = valueAt(bytes, found.end)) count += 1;
  return count;
}

/** The value that starts there, as texts, and where it ends; undefined when it is not complete. */
function valueAt(bytes, at) {
  const line = bytes.indexOf("\r\n", at);
  if (line < 0) return undefined;
  const mark = String.fromCharCode(bytes[at]);
  const text = bytes.toString("utf8", at + 1, line);
  let end = line + 2;
  if (mark === "$" && Number(text) >= 0) {
    const start = end;
    end = start + Number(text) + 2;
    if (end > bytes.length) return undefined;
    return { value: bytes.toString("utf8", start, end - 2), end };
  }
  if (mark !== "*") return { value: text, end };
  const value = [];
  for (let index = 0; index < Number(text); index += 1) {
    const found = valueAt(bytes, end);
    if (!found) return undefined;
    value.push(found.value);
    end = found.end;
  }
  return { value, end };
}
