#!/bin/sh
# Builds the wasm module of `make bench-keys` and runs the bench.
set -eu

cd "$(dirname "$0")/.."
. scripts/versions.sh
. scripts/wasm.sh
need_tools bench-keys "$WASM_BINDGEN" node_modules/.bin/wasm-opt

target=$CARGO_TARGET_DIR
bound=$target/bench-keys
# As the package is built; see scripts/build-package.sh.
CARGO_TARGET_DIR=$target/package cargo build --package edgememo-bench-keys --profile npm --locked \
  --target "$WASM_TARGET"
"$WASM_BINDGEN" --target web --omit-default-module-path --no-typescript --keep-debug \
  --out-name bench_keys --out-dir "$bound" "$target/package/$WASM_TARGET/npm/edgememo_bench_keys.wasm"
node --input-type=module -e '
  import { readFileSync, writeFileSync } from "node:fs";
  import { withQuickStrings } from "./scripts/lib/glue.mjs";
  const [file] = process.argv.slice(1);
  writeFileSync(file, withQuickStrings(readFileSync(file, "utf8")));' "$bound/bench_keys.js"
# shellcheck disable=SC2086
wasm-opt -O3 --strip-producers $WASM_OPT_FEATURES "$bound/bench_keys_bg.wasm" -o "$bound/bench_keys_bg.wasm"
echo '{"type":"module"}' >"$bound/package.json"
# The bench is native too, without the flags for wasm.
unset RUSTFLAGS
CARGO_TARGET_DIR=$target exec node benches/keys/run.mjs "$@"
