#!/bin/sh
# Builds the Worker: build/index.js and build/index_bg.wasm, and beside them build/definitions.json, what
# is compiled in. Called by make and, as wrangler.toml's [build] command, by wrangler. With nothing
# changed it takes a moment.
#
# With the argument "tests" it is the Worker of the tests, with the definitions in tests/workflows:
# tests/.artifacts/worker.
set -eu

cd "$(dirname "$0")/.."
. scripts/versions.sh
. scripts/wasm.sh
need_tools build-worker "$WORKER_BUILD" "$WASM_BINDGEN" node_modules/.bin/wasm-opt node_modules/.bin/esbuild

out=build
if [ "${1:-}" = tests ]; then
  out=tests/.artifacts/worker
  export EDGEMEMO_WORKFLOWS=tests/workflows
  # A folder of its own: other definitions are another build, and each would undo the other.
  export CARGO_TARGET_DIR="$CARGO_TARGET_DIR/tests-worker"
fi

# worker-build would download these three; it takes them from here instead.
export WASM_BINDGEN_BIN="$WASM_BINDGEN"
export WASM_OPT_BIN="$PWD/node_modules/.bin/wasm-opt"
export ESBUILD_BIN="$PWD/node_modules/.bin/esbuild"
# A failed build needs the compiler's message, not worker-build's own backtrace.
export RUST_BACKTRACE=0

# 1. Compile. Cargo decides what is stale, and its messages stand alone; what it says to programs tells
# where the build script put the definitions.
said=$(cargo build --lib --release --locked --target "$WASM_TARGET" --features worker \
  --message-format=json-render-diagnostics)
mkdir -p "$out"
printf '%s\n' "$said" | node scripts/definitions.mjs "$out/definitions.json"

# 2. When cargo made nothing new and the tools are the same, the result is up to date.
wasm=$CARGO_TARGET_DIR/$WASM_TARGET/release/edgememo.wasm
made_by="worker-build $WORKER_BUILD_VERSION, wasm-bindgen $WASM_BINDGEN_VERSION, $(cksum <package-lock.json), $(cksum <Cargo.toml), $WASM_FEATURES, $CARGO_TARGET_DIR"
stamp=$out/.made-by
entry="src/worker/entry.js src/worker/microtask.js"
# shellcheck disable=SC2086
if [ "$(cat "$stamp" 2>/dev/null)" != "$made_by" ] || [ -n "$(find "$wasm" $entry -newer "$stamp")" ] ||
  [ ! -f "$out/index.js" ] || [ ! -f "$out/index_bg.wasm" ]; then
  # 3. Bind, optimise, bundle. The stamp is dated before, and put in its place after.
  bound=$CARGO_TARGET_DIR/worker-build
  rm -f "$stamp"
  printf '%s\n' "$made_by" >"$stamp.new"
  "$WORKER_BUILD" --release --out-dir "$bound" -- --locked --features worker
  # worker-build keeps the names of functions, which are a fifth of the module; -Os takes off another
  # hundredth. What has one caller is not moved into it, here and in Cargo.toml: the code that every
  # request runs through would be strewn over that of errors.
  # shellcheck disable=SC2086
  "$WASM_OPT_BIN" -Os --one-caller-inline-max-function-size 0 --strip-debug $WASM_OPT_FEATURES "$bound/index_bg.wasm" -o "$out/index_bg.wasm"
  # Its entry is wrapped in ours.
  "$ESBUILD_BIN" src/worker/entry.js --bundle --minify --format=esm --log-level=warning \
    --alias:worker-build-output="$bound/index.js" --inject:src/worker/microtask.js --external:./index_bg.wasm \
    --external:'cloudflare:*' --outfile="$out/index.js"
  mv "$stamp.new" "$stamp"
elif [ "${WRANGLER_COMMAND:-}" = dev ]; then
  exit 0 # nothing new to say
fi

[ "$out" != build ] || node scripts/size.mjs
