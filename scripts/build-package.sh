#!/bin/sh
# Builds the npm package `edgememo` into pkg/. With nothing changed it takes a moment.
set -eu

cd "$(dirname "$0")/.."
. scripts/versions.sh
. scripts/wasm.sh
need_tools build-package "$WASM_BINDGEN" node_modules/.bin/wasm-opt

# A folder of its own: the Worker's build has other features, and a module of the same name.
CARGO_TARGET_DIR=$CARGO_TARGET_DIR/package

# 1. Compile. Cargo decides what is stale, and its messages stand alone.
cargo build --lib --profile npm --locked --target "$WASM_TARGET" --features js

# 2. When cargo made nothing new and all else is the same, pkg/ is up to date.
wasm=$CARGO_TARGET_DIR/$WASM_TARGET/npm/edgememo.wasm
sources="$wasm src/js docs/javascript.md LICENSE scripts/build-package.sh scripts/wasm.sh scripts/package.mjs scripts/lib/glue.mjs"
made_by="wasm-bindgen $WASM_BINDGEN_VERSION, $(cksum <package-lock.json), $(cksum <Cargo.toml), $WASM_FEATURES, $CARGO_TARGET_DIR"
stamp=pkg/.made-by
# shellcheck disable=SC2086
if [ "$(cat "$stamp" 2>/dev/null)" != "$made_by" ] || [ -n "$(find $sources -newer "$stamp")" ]; then
  # 3. Bind, optimise, and put it beside the JavaScript. The stamp is dated before, and written last.
  bound=$CARGO_TARGET_DIR/bound
  rm -rf pkg "$bound"
  mkdir -p pkg
  printf '%s\n' "$made_by" >"$bound.made-by"
  # Each entry says by itself where the module is.
  "$WASM_BINDGEN" --target web --omit-default-module-path --no-typescript \
    --out-name edgememo --out-dir "$bound" "$wasm"
  # shellcheck disable=SC2086
  wasm-opt -O3 --strip-debug --strip-producers $WASM_OPT_FEATURES "$bound/edgememo_bg.wasm" -o pkg/edgememo_bg.wasm
  node scripts/package.mjs "$bound/edgememo.js"
  mv "$bound.made-by" "$stamp"
fi

node scripts/package.mjs
