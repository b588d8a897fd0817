/** A real `redis-server` for tests: own port, own password, nothing on disk. */
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { describe, test } from "node:test";
import { createClient, RESP_TYPES } from "redis";
import { secret } from "./canary.mjs";
import { listen } from "./http.mjs";

const START_MS = 10_000;
const ATTEMPTS = 3;

/** The program's path, or null. `EDGEMEMO_REDIS_SERVER` names one that is not on the PATH. */
function findRedisServer() {
  const named = process.env.EDGEMEMO_REDIS_SERVER;
  const places = (process.env.PATH ?? "").split(path.delimiter).filter(Boolean);
  const candidates = named ? [named] : places.map((place) => path.join(place, "redis-server"));
  return candidates.find(isProgram) ?? null;
}

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

let announced = false;

/**
 * False when a Redis can be started, else the reason to skip, which is also printed: tests that
 * did not run must not look as if they had.
 */
export function whyNoRedis() {
  if (findRedisServer()) return false;
  const reason =
    "redis-server was not found: install it (apt install redis-server, brew install redis) " +
    "or name it in EDGEMEMO_REDIS_SERVER";
  if (!announced) {
    announced = true;
    console.error(`\n*** SKIPPED, NOT TESTED: every test over a real Redis. ${reason}. ***\n`);
  }
  return reason;
}

/**
 * A group of tests that needs a Redis. Without one a single skipped test stands for the group:
 * a skipped group would not be counted.
 */
export function describeOverRedis(name, options, define) {
  const reason = whyNoRedis();
  if (reason) test(name, { skip: reason });
  else describe(name, options, define);
}

async function freePort() {
  const probe = createServer();
  const port = await listen(probe);
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/**
 * Starts a server and a client of it. Between finding a free port and binding it another program
 * may take it, hence the attempts.
 */
export async function startRedis() {
  const program = findRedisServer();
  if (!program) throw new Error(whyNoRedis());
  let last;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    try {
      return await startOnce(program, await freePort());
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

async function startOnce(program, port) {
  const password = secret("redis-password");
  const server = spawn(program, ["-"], { stdio: ["pipe", "pipe", "pipe"] });
  const stop = () => server.kill("SIGKILL");
  process.once("exit", stop);
  endOnSignals();
  server.stdin.end(
    [
      `port ${port}`,
      "bind 127.0.0.1",
      `requirepass ${password}`,
      'save ""',
      "appendonly no",
      "daemonize no",
      "",
    ].join("\n"),
  );
  await ready(server);
  const url = `redis://:${password}@127.0.0.1:${port}`;
  const client = await createClient({ url }).connect();
  const ended = new Promise((resolve) => server.once("exit", resolve));
  return {
    url,
    password,
    client,
    dump: () => dump(client),
    async close() {
      client.destroy();
      server.kill("SIGTERM");
      await ended;
      process.off("exit", stop);
    },
  };
}

let endsOnSignals = false;

/** A process that is ended by a signal runs no exit handlers unless it asks for that. */
function endOnSignals() {
  if (endsOnSignals) return;
  endsOnSignals = true;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));
}

function ready(server) {
  return new Promise((resolve, reject) => {
    let output = "";
    const timer = setTimeout(() => server.kill("SIGKILL"), START_MS);
    const settle = (finish, value) => {
      clearTimeout(timer);
      server.off("exit", failed).off("error", failed);
      server.stdout.off("data", read).resume();
      server.stderr.off("data", read).resume();
      finish(value);
    };
    const failed = (reason) =>
      settle(reject, new Error(`redis-server did not start (${reason}): ${output}`));
    const read = (chunk) => {
      output += chunk;
      if (output.includes("Ready to accept connections")) settle(resolve);
    };
    server.on("exit", failed).on("error", failed);
    server.stdin.on("error", () => {});
    server.stdout.on("data", read);
    server.stderr.on("data", read);
  });
}

/** Sends a command and gets strings as bytes, since entries need not be UTF-8. */
export function sendForBytes(client, command) {
  return client.sendCommand(command, { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } });
}

/** Every entry as [key, value], as bytes; of other types than string only the type is told. */
async function dump(client) {
  const entries = [];
  for (const key of await sendForBytes(client, ["KEYS", "*"])) {
    const type = await client.sendCommand(["TYPE", key]);
    const value =
      type === "string"
        ? await sendForBytes(client, ["GET", key])
        : Buffer.from(`(a value of type ${type})`);
    entries.push([key, value]);
  }
  return entries;
}
