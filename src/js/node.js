// The entry for Node.js, Deno and Bun: the wasm module is a file beside this one.
import { readFileSync } from "node:fs";
import * as raw from "./edgememo.js";
import { over } from "./index.js";

const bytes = readFileSync(new URL("./edgememo_bg.wasm", import.meta.url));
raw.initSync({ module: new WebAssembly.Module(bytes) });

export const { cacheKey, canonicalize, decodeValue, encodeValue, explain } = over(raw);
