// A child process with everything it starts, as one process group that can be ended as a whole.
//
// wrangler starts workerd and esbuild, and cargo starts compilers; ending the first process alone
// leaves the others. So the child leads a group of its own, and signals go to the group.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

// The leader of the group. Its standard input is a pipe that nobody writes to: when it ends, the
// process that started the group is gone, however it went, and the group has to go too.
const LEADER = `
exec 3<&0 </dev/null
"$@" 3<&- &
child=$!
(cat <&3 >/dev/null; trap '' TERM; kill -TERM 0; sleep 3; kill -KILL 0) &
watcher=$!
exec 3<&-
wait "$child"
status=$?
kill -KILL "$watcher" 2>/dev/null
exit "$status"
`;

const PS = ["-A", ...["pgid=", "pid=", "stat=", "args="].flatMap((column) => ["-o", column])];

/**
 * @typedef {object} Group
 * @property {number} id the id of the group
 * @property {import("node:child_process").ChildProcess} process its leader
 * @property {Promise<number>} ended the exit code of the command (128 + n for a signal)
 */

/**
 * Starts a command in a process group of its own.
 * @param {string} command
 * @param {string[]} args
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv, output?: "pipe" | "inherit"}} [options]
 * @returns {Group}
 */
export function startGroup(command, args, { cwd, env, output = "inherit" } = {}) {
  const leader = spawn("/bin/sh", ["-c", LEADER, "group", command, ...args], {
    cwd,
    env,
    detached: true,
    stdio: ["pipe", output, output],
  });
  // Without a listener, writing to a group that has gone would end this process.
  leader.stdin.on("error", () => {});
  const ended = once(leader, "exit").then(([code, signal]) => code ?? (signal ? 128 : 1));
  return { id: leader.pid, process: leader, ended };
}

/**
 * The processes of a group that still run. Those that have ended and only wait for their parent to
 * take notice (zombies) are not among them.
 * @param {number} id
 * @returns {{pid: number, command: string}[]}
 */
export function members(id) {
  try {
    process.kill(-id, 0);
  } catch (error) {
    if (error.code === "ESRCH") return [];
  }
  let table;
  try {
    table = execFileSync("ps", PS, { encoding: "utf8" });
  } catch {
    return [{ pid: id, command: "(no ps here to say which)" }];
  }
  return table
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([group, , state]) => Number(group) === id && !state.startsWith("Z"))
    .map(([, pid, , ...command]) => ({ pid: Number(pid), command: command.join(" ") }));
}

/** @param {number} id @param {NodeJS.Signals} signal */
function signalGroup(id, signal) {
  try {
    process.kill(-id, signal);
  } catch {
    // Nobody is left.
  }
}

/** @param {number} id @param {number} milliseconds */
async function gone(id, milliseconds) {
  const deadline = Date.now() + milliseconds;
  while (members(id).length > 0) {
    if (Date.now() > deadline) return false;
    await sleep(50);
  }
  return true;
}

/**
 * Ends every process of a group: asks first, and after the grace period no longer asks.
 * @param {Group} group
 * @param {number} [grace] milliseconds
 * @returns {Promise<boolean>} whether none is left
 */
export async function stopGroup({ id }, grace = 4000) {
  signalGroup(id, "SIGTERM");
  if (await gone(id, grace)) return true;
  signalGroup(id, "SIGKILL");
  return gone(id, 2000);
}
