// How the scripts run wrangler: quietly, without an account, and with its output made readable.
import { Transform } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";

/** wrangler's program, for `node`. */
export const WRANGLER = fileURLToPath(
  new URL("../../node_modules/wrangler/bin/wrangler.js", import.meta.url),
);

/**
 * An environment in which wrangler asks nothing, reports nothing and looks nothing up.
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {NodeJS.ProcessEnv}
 */
export function quietEnv(env = process.env) {
  return {
    ...env,
    WRANGLER_SEND_METRICS: "false",
    WRANGLER_SEND_ERROR_REPORTS: "false",
    WRANGLER_NO_SKILLS_UPDATE_PROMPTS: "true",
    // The banner is where it looks for updates of itself.
    WRANGLER_HIDE_BANNER: "true",
    WRANGLER_WRITE_LOGS: "false",
    WRANGLER_REGISTRY_PATH: ".wrangler/registry",
    // The `Request.cf` of a real visitor, which it would fetch.
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
    // Local settings come from .dev.vars alone.
    CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV: "false",
    X_LOCAL_EXPLORER: "false",
    X_LOCAL_OBSERVABILITY: "false",
  };
}

// What says nothing to somebody who only wants to see the Worker run.
const NOISE = [
  /^\s*$/,
  /^Running: scripts\/build-worker\.sh/,
  /^\s+Finished|^ `release` profile/,
  /^\[INFO\]: .*(Using custom|Checking for the Wasm target|ready to publish|Done in)/,
  /^⚡ Done in /,
  /^ {2}index\.js\s/,
  /^Your Worker has access to the following bindings:/,
  /^Binding\s+Resource\s+Mode/,
  /^env\.[A-Z_]+ \(/,
  /^⎔ Starting local server/,
  /Ready on http/,
  / GET \/healthz /,
];

/**
 * The lines of wrangler's output that are worth showing, without its prefixes.
 * Noise that a later wrangler words differently is shown; nothing else depends on the words.
 */
export class ReadableOutput extends Transform {
  #decoder = new StringDecoder("utf8");
  #rest = "";
  #inDump = false;

  /** @param {string} line @returns {string | undefined} */
  #readable(line) {
    const plain = stripVTControlCharacters(line);
    // A failed build is reported once more as an object, in a hundred indented lines.
    if (/Process exited with non-zero status/.test(plain)) {
      this.#inDump = true;
      return undefined;
    }
    if (this.#inDump && /^\s|^$/.test(plain)) return undefined;
    this.#inDump = false;
    if (/Running custom build .* failed/.test(plain)) {
      return "The build failed (see above); saving a change builds again.";
    }
    const text = plain.replace(/^\[custom build\] ?/, "");
    if (NOISE.some((pattern) => pattern.test(text))) return undefined;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the prefix is coloured on a terminal
    return line.replace(/^(?:\x1b\[\d+m)?\[custom build\](?:\x1b\[\d+m)? ?/, "");
  }

  _transform(chunk, _encoding, done) {
    const lines = (this.#rest + this.#decoder.write(chunk)).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const readable = this.#readable(line);
      if (readable !== undefined) this.push(`${readable}\n`);
    }
    done();
  }

  _flush(done) {
    const readable = this.#rest === "" ? undefined : this.#readable(this.#rest);
    if (readable !== undefined) this.push(`${readable}\n`);
    done();
  }
}
