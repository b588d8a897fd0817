/**
 * The HTTP client of the suite. It is `node:http` and not `fetch`, since tests choose the `Host`
 * header, send bodies without a length, and need paths to arrive as they were written.
 */
import http from "node:http";

const PATIENCE_MS = 15_000;

/**
 * @typedef {object} Answer
 * @property {number} status
 * @property {http.IncomingHttpHeaders} headers
 * @property {string} text
 * @property {any} json the parsed body, or undefined when it is not JSON
 * @property {number} elapsed milliseconds until the whole body was there
 */

/**
 * Sends one request and records everything that came back.
 *
 * @param {URL} base
 * @param {import("./canary.mjs").Recorder} recorder
 * @param {string} path goes on the wire as it is
 * @param {{method?: string, headers?: Record<string, string>, body?: string | Uint8Array,
 *   chunked?: boolean, unfinished?: boolean}} options chunked: no Content-Length;
 *   unfinished: the request is never ended, so only an early answer can come
 * @returns {Promise<Answer>}
 */
export function send(base, recorder, path, options = {}) {
  const { method = "GET", headers = {}, body, chunked = false, unfinished = false } = options;
  const started = performance.now();
  const lengths = chunked
    ? { "transfer-encoding": "chunked" }
    : body !== undefined && !unfinished
      ? { "content-length": String(Buffer.byteLength(body)) }
      : {};
  return new Promise((resolve, reject) => {
    const request = http.request({
      hostname: base.hostname,
      port: base.port,
      path,
      method,
      headers: { ...lengths, ...headers },
      agent: false,
    });
    const timer = setTimeout(
      () => request.destroy(new Error(`${method} ${path}: no answer in ${PATIENCE_MS} ms`)),
      PATIENCE_MS,
    );
    request.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    request.on("response", (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        clearTimeout(timer);
        const bytes = Buffer.concat(chunks);
        const place = `response to ${method} ${path}`;
        recorder.record(`${place}, headers`, JSON.stringify(response.rawHeaders));
        recorder.record(`${place}, body`, bytes);
        const text = bytes.toString("utf8");
        resolve({
          status: response.statusCode,
          headers: response.headers,
          text,
          json: parsed(text),
          elapsed: performance.now() - started,
        });
        request.destroy();
      });
    });
    if (body !== undefined) request.write(body);
    if (!unfinished) request.end();
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Starts an `http.Server` on a free loopback port (or on `port`) and returns the port. */
export function listen(server, port = 0) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve(server.address().port);
    });
  });
}

/** Stops a server at once, open connections included. */
export function shut(server) {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** The whole body of a request to a server of the suite. */
export async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}
