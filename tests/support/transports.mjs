/**
 * The contract of all transports (tests/transports.rs): starts what they reach, runs the tests, and
 * ends it again. Over REST that is Upstash's dialect in front of a Redis, over RESP the same Redis, and
 * the embedded store on workerd. Arguments go to the tests, such as the name of one.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Recorder, secret } from "./canary.mjs";
import { startRedis, whyNoRedis } from "./redis.mjs";
import { root } from "./root.mjs";
import { startUpstashFront } from "./upstash-front.mjs";
import { startWorker } from "./worker.mjs";

/** What is to be closed, the last first. */
const opened = [];

async function started(starting) {
  const server = await starting;
  opened.unshift(server);
  return server;
}

async function overRedis() {
  const redis = await started(startRedis());
  const front = await started(startUpstashFront(redis));
  const edge = secret("edge-password");
  await redis.client.sendCommand(["ACL", "SETUSER", "edge", "on", `>${edge}`, "~my-app:*", "+get"]);
  return {
    CONTRACT_REST_URL: front.url,
    CONTRACT_REST_TOKEN: front.token,
    CONTRACT_RESP_URL: redis.url,
    CONTRACT_EDGE_PASSWORD: edge,
  };
}

async function overWorkerd() {
  const persist = await mkdtemp(path.join(tmpdir(), "edgememo-test-"));
  opened.unshift({ close: () => rm(persist, { recursive: true, force: true }) });
  const worker = await started(startWorker({ persist, recorder: new Recorder() }));
  return {
    CONTRACT_EMBEDDED_URL: worker.embedded.url,
    CONTRACT_EMBEDDED_TOKEN: worker.embedded.token,
  };
}

function run(env) {
  const args = ["test", "--locked", "--test", "transports", "--", ...process.argv.slice(2)];
  const cargo = spawn("cargo", args, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  return new Promise((resolve, reject) => {
    cargo.once("error", reject);
    cargo.once("exit", (code) => resolve(code ?? 1));
  });
}

const reason = whyNoRedis();
if (reason) {
  process.exitCode = 1;
} else {
  try {
    process.exitCode = await run({ ...(await overRedis()), ...(await overWorkerd()) });
  } finally {
    for (const server of opened) await server.close();
  }
}
