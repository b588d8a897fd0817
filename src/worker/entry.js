// The way into the Worker. worker-build's own constructs a class behind two proxies for every
// request, which costs a tenth of a hit; this calls the exported function directly.
import Entrypoint, { EmbeddedShard } from "worker-build-output";

const { handle } = Entrypoint.prototype;
const state = globalThis.__worker_init_state;

/**
 * Bodies up to this are read before wasm is asked, which saves it a future. Those that are not
 * announced, or are longer, wait until it is known that they are wanted.
 */
const SMALL_BODY = 64 * 1024;

// A trap surfaces as a rejection when it happens after what a request waited for.
addEventListener("unhandledrejection", ({ reason }) => {
  // V8 calls a stack that ran over a RangeError.
  if (reason instanceof WebAssembly.RuntimeError || reason instanceof RangeError)
    state.criticalError = true;
});

export { EmbeddedShard };

export default {
  fetch(request, env, ctx) {
    // After a trap the module is of no use: constructing the class makes a new one.
    if (state.criticalError) new Entrypoint(ctx, env);
    const { method, url, headers } = request;
    const announced = headers.get("content-length");
    const head = describe(method, url, headers);
    return new Promise((resolve, reject) => {
      // One object, of which wasm takes what it needs: most requests need the resolver only.
      const event = { request, env, ctx, resolve };
      const go = (body) => {
        try {
          handle(head, body, event);
        } catch (error) {
          // It answers whatever goes wrong: what it throws is a trap.
          state.criticalError = true;
          reject(error);
        }
      };
      const ahead = method === "POST" && announced !== null;
      if (!ahead || Number(announced) > SMALL_BODY) return go(undefined);
      request.arrayBuffer().then(
        (body) => go(new Uint8Array(body)),
        () => go(undefined),
      );
    });
  },
};

/**
 * What wasm wants to know of every request, a line each; none of the parts can hold a line break.
 * `Head` in routes.rs reads it.
 */
function describe(method, url, headers) {
  // The first of these that is there: with pass-through, the others are the provider's.
  const key = headers.get("x-edgememo-api-key") || headers.get("x-api-key") || "";
  const authorization = (key === "" && headers.get("authorization")) || "";
  // Joined, it is one text. V8 would look for each character in the pieces of one that is put together.
  return [method, url, key, authorization].join("\n");
}
