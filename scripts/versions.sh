# The versions of the tools that are not npm packages (those are in package-lock.json), and where
# they are kept. Sourced by the other scripts; nothing here runs anything.
# shellcheck shell=sh disable=SC2034

WASM_TARGET=wasm32-unknown-unknown

# worker-build 0.8 wants the `worker` crate of the same minor version.
WORKER_BUILD_VERSION=0.8.7
# The same version as the `wasm-bindgen` crate in Cargo.toml, to the digit.
WASM_BINDGEN_VERSION=0.2.129
CARGO_DENY_VERSION=0.20.2
CARGO_FUZZ_VERSION=0.13.2

# Shared by every checkout of this user; one folder per version, so that checkouts never quarrel.
TOOLS=${EDGEMEMO_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/edgememo/tools}
WORKER_BUILD=$TOOLS/worker-build-$WORKER_BUILD_VERSION/bin/worker-build
WASM_BINDGEN=$TOOLS/wasm-bindgen-cli-$WASM_BINDGEN_VERSION/bin/wasm-bindgen
CARGO_DENY=$TOOLS/cargo-deny-$CARGO_DENY_VERSION/bin/cargo-deny
CARGO_FUZZ=$TOOLS/cargo-fuzz-$CARGO_FUZZ_VERSION/bin/cargo-fuzz
