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

export { EmbeddedShard };

export default {
  fetch(request, env, ctx) {
    // After a trap the module is of no use: constructing the class makes a new one.
    if (state.criticalError) new Entrypoint(ctx, env);
    const announced = request.headers.get("content-length");
    if (announced === null || Number(announced) > SMALL_BODY) {
      return handle(request, undefined, env, ctx);
    }
    return request.arrayBuffer().then(
      (body) => handle(request, new Uint8Array(body), env, ctx),
      () => handle(request, undefined, env, ctx),
    );
  },
};
