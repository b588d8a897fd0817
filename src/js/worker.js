// The entry for Cloudflare Workers, where code comes from modules only and wasm is one of them.
import * as raw from "./edgememo.js";
import module from "./edgememo_bg.wasm";
import { over } from "./index.js";

raw.initSync({ module });

export const { cacheKey, canonicalize, decodeValue, encodeValue, explain } = over(raw);
