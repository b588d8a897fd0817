/** Dynamiq's Python library, which shares its entries with the Worker, where it is installed. */
import { execFile, execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { root } from "./root.mjs";

const EXAMPLE = path.join(root, "examples", "python");
const ASK_MS = 30_000;
/** To load the library alone takes ten seconds. */
const RUN_MS = 90_000;
/** litellm would ask the network for its prices otherwise. */
const OFFLINE = { LITELLM_LOCAL_MODEL_COST_MAP: "True" };
const VERSION = "import importlib.metadata as m; print(m.version('dynamiq'), end='')";

/** The interpreter that has Dynamiq, with Dynamiq's version, or null. */
function findPython() {
  const named = process.env.EDGEMEMO_PYTHON;
  const venv = path.join(EXAMPLE, ".venv", "bin", "python");
  const candidates = named ? [named] : [...(existsSync(venv) ? [venv] : []), "python3"];
  for (const program of candidates) {
    try {
      const options = { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], timeout: ASK_MS };
      return { program, version: execFileSync(program, ["-c", VERSION], options) };
    } catch {
      // The next may have it.
    }
  }
  return null;
}

let found;
const python = () => {
  found ??= { python: findPython() };
  return found.python;
};

/** False when Dynamiq can be run, else the reason to skip, which is also printed. */
export function whyNoPython() {
  if (python()) return false;
  const reason =
    "no Python with dynamiq was found: see examples/python/README.md, or name an interpreter that " +
    "has it in EDGEMEMO_PYTHON";
  console.error(`\n*** SKIPPED, NOT TESTED: sharing a cache with Python. ${reason}. ***\n`);
  return reason;
}

/** Which Dynamiq it is, such as "0.69.0". */
export const dynamiqVersion = () => python().version;

/**
 * Runs the example on inputs, which are JSON texts, one after the other.
 * @param {string[]} inputs
 * @param {{args?: string[], env: Record<string, string>}} options
 * @returns {Promise<any[]>} the line that it printed for each
 */
export async function runExample(inputs, { args = [], env }) {
  const { PATH, HOME } = process.env;
  const { stdout } = await promisify(execFile)(
    python().program,
    [path.join(EXAMPLE, "run.py"), ...args, "--", ...inputs],
    { env: { PATH, HOME, ...OFFLINE, ...env }, timeout: RUN_MS },
  );
  return stdout.trimEnd().split("\n").map(JSON.parse);
}
