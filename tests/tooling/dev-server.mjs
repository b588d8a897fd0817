// Starts `make dev` as a user does, in a process group of its own as a terminal does, with settings
// and a store of its own, so that a developer's .dev.vars and entries are left alone.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const PS = ["-A", ...["pid=", "ppid=", "stat=", "args="].flatMap((column) => ["-o", column])];
const READY_MS = 120_000;
const END_MS = 15_000;

/** A port of 127.0.0.1 that nobody uses now. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Every process that runs: zombies, which have ended, are left out. */
function processes() {
  return execFileSync("ps", PS, { encoding: "utf8" })
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , state]) => state && !state.startsWith("Z"))
    .map(([pid, parent, , ...command]) => ({
      pid: Number(pid),
      parent: Number(parent),
      command: command.join(" "),
    }));
}

/** A process and all that come from it. @param {number} root */
function family(root) {
  const all = processes();
  const found = all.filter(({ pid }) => pid === root);
  for (const { pid } of found) found.push(...all.filter(({ parent }) => parent === pid));
  return found;
}

export class DevServer {
  output = "";
  #make;
  #exited;

  /**
   * @param {object} options
   * @param {string} options.folder where its store is, and its settings when there are any
   * @param {string} [options.vars] a file of settings; by default there are none
   * @param {number} [options.port]
   */
  constructor({ folder, vars = "/dev/null", port = 0 }) {
    const args = `--vars ${vars} --state ${join(folder, "state")}`;
    this.#make = spawn("make", ["dev", `PORT=${port}`, `ARGS=${args}`], {
      cwd: ROOT,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#exited = once(this.#make, "exit").then(([code, signal]) => code ?? signal);
    for (const stream of [this.#make.stdout, this.#make.stderr]) {
      stream.on("data", (chunk) => {
        this.output += chunk;
      });
    }
  }

  /** Waits for a text in the output. @param {RegExp} pattern */
  async says(pattern) {
    const deadline = Date.now() + READY_MS;
    while (Date.now() < deadline) {
      const match = pattern.exec(this.output);
      if (match) return match;
      if (this.#make.exitCode !== null) break;
      await sleep(50);
    }
    throw new Error(`make dev never said ${pattern}; it said:\n${this.output}`);
  }

  /** Waits until it is ready and its block of text is whole. @returns {Promise<string>} its address */
  async ready() {
    const [, url] = await this.says(
      /edgememo is ready: (http:\/\/127\.0\.0\.1:\d+)[\s\S]*curl[\s\S]*curl.*\n/,
    );
    return url;
  }

  /** The commands that it printed to be tried. */
  curls() {
    return this.output.match(/^curl .*$/gm) ?? [];
  }

  /** What runs because of it. */
  processes() {
    return family(this.#make.pid);
  }

  /**
   * Sends a signal to the whole group, as a terminal does on Ctrl-C, or to one process, and waits.
   * @returns {Promise<{code: number | string, left: string[]}>} what make ended with, and what runs on
   */
  async end(signal = "SIGINT", pid = -this.#make.pid) {
    const before = this.processes();
    process.kill(pid, signal);
    const code = await Promise.race([this.#exited, sleep(END_MS, "still running", { ref: false })]);
    const deadline = Date.now() + END_MS;
    const ours = new Map(before.map(({ pid, command }) => [pid, command]));
    const alive = () => processes().filter(({ pid, command }) => ours.get(pid) === command);
    while (alive().length > 0 && Date.now() < deadline) await sleep(50);
    return { code, left: alive().map(({ pid, command }) => `${pid} ${command}`) };
  }

  /** Ends it whatever it does. */
  async close() {
    if (this.#make.exitCode !== null || this.#make.signalCode !== null) return;
    const { left } = await this.end();
    for (const line of left) process.kill(Number.parseInt(line, 10), "SIGKILL");
  }
}
