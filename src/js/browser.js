// The entry for browsers and for bundlers that know neither of the others. Bundlers find the wasm
// file by this form of its address.
import * as raw from "./edgememo.js";
import { over } from "./index.js";

raw.initSync({ module: await load(new URL("./edgememo_bg.wasm", import.meta.url)) });

export const { cacheKey, canonicalize, decodeValue, encodeValue, explain } = over(raw);

async function load(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`edgememo: ${url.href} answered ${response.status}`);
  // Only this type may be compiled while it arrives; not every server knows it.
  const type = response.headers.get("content-type") ?? "";
  return /^application\/wasm\b/i.test(type)
    ? WebAssembly.compileStreaming(response)
    : WebAssembly.compile(await response.arrayBuffer());
}
