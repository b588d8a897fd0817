# What the builds for wasm have in common. Sourced after scripts/versions.sh, in the project's folder.
# shellcheck shell=sh disable=SC2034

# wasm features beyond Rust's defaults. SIMD makes SHA-256 1.2 to 1.5 times as fast, which shows with large
# inputs; every version of workerd has it, and so have browsers since 2023. EDGEMEMO_WASM_FEATURES=
# (empty) builds without.
WASM_FEATURES=${EDGEMEMO_WASM_FEATURES-+simd128}
if [ -n "$WASM_FEATURES" ]; then
  export RUSTFLAGS="${RUSTFLAGS:+$RUSTFLAGS }-C target-feature=$WASM_FEATURES"
fi

# What wasm-opt is told that a module may contain.
WASM_OPT_FEATURES="--enable-simd --enable-bulk-memory --enable-multivalue --enable-mutable-globals
  --enable-nontrapping-float-to-int --enable-reference-types --enable-sign-ext
  --enable-exception-handling"

# worker-build sets it for cargo; set here too, so that all calls of cargo are the same build.
export WASM_BINDGEN_USE_JS_SYS=1
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
export PATH="$PWD/node_modules/.bin:$PATH"

# need_tools WHO TOOL…: ends the script WHO when one of the programs is not there.
need_tools() {
  who=$1
  shift
  for tool in "$@"; do
    if [ ! -x "$tool" ]; then
      echo "$who: $tool is missing. Run: make setup" >&2
      exit 1
    fi
  done
}
