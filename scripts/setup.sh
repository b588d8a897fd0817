#!/bin/sh
# Installs what edgememo is built and run with, each thing at its pinned version, and only what is
# missing. Run it as often as you like: with everything present it takes a second.
#
#   scripts/setup.sh         what building and running need
#   scripts/setup.sh lint    that, and what `make lint` needs
#   scripts/setup.sh test    that, and what only tests need (redis-server, Chromium)
#   scripts/setup.sh fuzz    what `make fuzz` needs, and nothing else (a nightly Rust, cargo-fuzz)
#
# Versions and folders are in scripts/versions.sh. EDGEMEMO_TOOLS chooses another folder.
set -eu

cd "$(dirname "$0")/.."
. scripts/versions.sh

what=${1:-build}
case $what in
  build) steps=4 ;;
  lint) steps=6 ;;
  test) steps=8 ;;
  fuzz) steps=2 ;;
  *)
    echo "scripts/setup.sh: unknown set-up '$what' (build, lint, test or fuzz)" >&2
    exit 2
    ;;
esac
step=0
missing=

say() {
  printf '[%s/%s] %s\n' "$step" "$steps" "$*"
}

fail() {
  printf '\nset-up: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '        %s\n' "$line" >&2; done
  exit 1
}

# What could not be installed and is not needed to go on. Said at once, and again at the end.
warn_missing() {
  missing="$missing
  - $1"
  printf '\n  !! %s\n\n' "$1" >&2
}

has() {
  command -v "$1" >/dev/null 2>&1
}

# version_at_least HAVE WANT: compares up to three numbers.
version_at_least() {
  awk -v have="$1" -v want="$2" 'BEGIN {
    split(have, h, /[.+-]/); split(want, w, /[.+-]/)
    for (i = 1; i <= 3; i++) {
      if (h[i] + 0 > w[i] + 0) exit 0
      if (h[i] + 0 < w[i] + 0) exit 1
    }
    exit 0
  }'
}

check_prerequisites() {
  has rustup || has rustc || fail "rustup is missing." "Install it from https://rustup.rs, then run this again."
  has cargo || fail "cargo is missing." "Install Rust from https://rustup.rs, then run this again."
  has node || fail "node is missing." "Install Node.js 18 or newer from https://nodejs.org, then run this again."
  has npm || fail "npm is missing." "It comes with Node.js: https://nodejs.org."
  node_version=$(node --version 2>/dev/null || echo v0)
  version_at_least "${node_version#v}" 18 ||
    fail "Node.js $node_version is too old: 18 or newer is needed." "https://nodejs.org"
  cc --version >/dev/null 2>&1 || fail "a C compiler (cc) is missing; Rust links with it." \
    "Debian, Ubuntu: apt-get install build-essential" "macOS: xcode-select --install"
}

setup_rust() {
  step=$((step + 1))
  if has rustup && ! rustc --version >/dev/null 2>&1; then
    say "Rust: installing the stable toolchain"
    rustup toolchain install stable --profile minimal --component rustfmt --component clippy ||
      fail "rustup could not install the stable toolchain."
  fi
  wanted=$(sed -n 's/^rust-version *= *"\([^"]*\)".*/\1/p' Cargo.toml)
  rust=$(rustc --version 2>/dev/null | awk '{ print $2 }')
  [ -n "$rust" ] || fail "rustc does not run." "Try: rustup toolchain install stable"
  version_at_least "$rust" "$wanted" ||
    fail "Rust $rust is too old: $wanted or newer is needed." "Run: rustup update stable"
  if wasm_target_present; then
    say "Rust $rust with $WASM_TARGET: present"
    return
  fi
  has rustup || fail "this Rust lacks the target $WASM_TARGET, and there is no rustup to add it with." \
    "Install Rust from https://rustup.rs, or add the target in your system's way."
  say "Rust $rust: adding the target $WASM_TARGET"
  rustup target add "$WASM_TARGET" || fail "rustup could not add the target $WASM_TARGET."
  wasm_target_present || fail "the target $WASM_TARGET was added, but rustc does not see it." \
    "Does PATH have another rustc than rustup's?"
}

wasm_target_present() {
  libdir=$(rustc --print target-libdir --target "$WASM_TARGET" 2>/dev/null) || return 1
  for core in "$libdir"/libcore-*.rlib; do
    if [ -f "$core" ]; then return 0; fi
  done
  return 1
}

# cargo_tool CRATE VERSION BINARY DURATION: true when the tool is there afterwards.
#
# It is built into a staging folder and moved to its place when it is whole, so an interrupted
# installation is never taken for a finished one. The build folder stays until then: the next try
# goes on where this one was interrupted.
cargo_tool() {
  crate=$1 version=$2 binary=$3 duration=$4
  step=$((step + 1))
  home=$TOOLS/$crate-$version
  if "$home/bin/$binary" --version >/dev/null 2>&1; then
    say "$crate $version: present"
    return 0
  fi
  say "$crate $version: installing, takes $duration"
  staging=$TOOLS/.staging-$crate-$version.$$
  build=$TOOLS/.build-$crate-$version
  mkdir -p "$TOOLS"
  rm -rf "$staging"
  # The flags of a project's build are not meant for its tools.
  if ! env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u CARGO_BUILD_TARGET \
    cargo install "$crate" --version "$version" --locked --root "$staging" --target-dir "$build" ||
    ! "$staging/bin/$binary" --version >/dev/null 2>&1; then
    rm -rf "$staging"
    return 1
  fi
  rm -rf "$home"
  mv "$staging" "$home"
  rm -rf "$build"
}

# The stamp is written last. It names the lock file's content and the machine, since node_modules
# holds binaries.
npm_stamp() {
  printf '%s %s\n' "$(cksum <package-lock.json)" "$(uname -sm)"
}

# A Node.js that wrangler accepts: the one of the npm package `node`, else the installed one.
good_node() {
  PATH="$PWD/node_modules/.bin:$PATH" node -e '
    const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 22 || (major === 22 && minor >= 12) ? 0 : 1);' 2>/dev/null
}

works() {
  PATH="$PWD/node_modules/.bin:$PATH" "$@" >/dev/null 2>&1
}

setup_npm() {
  step=$((step + 1))
  stamp=node_modules/.edgememo-setup
  if [ "$(cat "$stamp" 2>/dev/null)" = "$(npm_stamp)" ] && good_node; then
    say "npm packages: present"
    return
  fi
  say "npm packages: installing, takes up to a minute"
  npm ci --no-audit --no-fund --loglevel=error || fail "npm ci failed." "Is the package registry reachable?"
  # npm may be told to run no install scripts; this package is nothing without its own.
  if ! good_node; then
    (cd node_modules/node && node installArchSpecificPackage) || true
    ln -sf ../node/bin/node node_modules/.bin/node
  fi
  good_node || fail "node_modules/.bin/node does not run, and $(node --version) is too old for wrangler (22.12)." \
    "Does npm run install scripts here (npm config get ignore-scripts)? Or install Node.js 22.12 or newer."
  works esbuild --version || fail "node_modules/.bin/esbuild does not run on $(uname -sm)." \
    "Does npm leave out optional packages here (npm config get omit)?"
  works workerd --version || fail "node_modules/.bin/workerd does not run on $(uname -sm)." \
    "It needs macOS 13.5 or a Linux with glibc 2.35, on x64 or arm64."
  works wasm-opt --version || fail "node_modules/.bin/wasm-opt does not run."
  npm_stamp >"$stamp"
}

setup_lint() {
  cargo_tool cargo-deny "$CARGO_DENY_VERSION" cargo-deny "4 to 8 minutes" ||
    warn_missing "cargo-deny $CARGO_DENY_VERSION could not be installed: licences, banned crates and sources will NOT be checked."
  step=$((step + 1))
  if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    say "rustfmt and clippy: installing"
    rustup component add rustfmt clippy || fail "rustup could not add rustfmt and clippy."
  else
    say "rustfmt and clippy: present"
  fi
  # All targets' crates, so that what follows needs no network.
  cargo fetch --locked --quiet || fail "the crates of Cargo.lock could not be fetched."
}

# The sanitizers and the coverage that fuzzing goes by are in nightly compilers only.
setup_fuzz() {
  has cargo || fail "cargo is missing." "Install Rust from https://rustup.rs, then run this again."
  c++ --version >/dev/null 2>&1 || fail "a C++ compiler (c++) is missing; libFuzzer is built with it." \
    "Debian, Ubuntu: apt-get install build-essential" "macOS: xcode-select --install"
  step=$((step + 1))
  cargo +nightly --version >/dev/null 2>&1 || fail "fuzzing needs a nightly Rust, and there is none." \
    "Run: rustup toolchain install nightly --profile minimal"
  say "Rust $(rustc +nightly --version 2>/dev/null | awk '{ print $2 }'): present"
  cargo_tool cargo-fuzz "$CARGO_FUZZ_VERSION" cargo-fuzz "1 to 3 minutes" ||
    fail "cargo-fuzz $CARGO_FUZZ_VERSION could not be installed; cargo's message is above."
}

# as_root COMMAND…: runs it as root without asking for a password, or fails.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif has sudo && sudo -n true 2>/dev/null; then
    sudo -n "$@"
  else
    return 1
  fi
}

apt_install() {
  has apt-get || return 1
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" && return 0
  as_root apt-get update && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

setup_redis() {
  step=$((step + 1))
  if has redis-server; then
    say "redis-server: present"
    return
  fi
  say "redis-server: installing"
  if has brew; then brew install redis || true; else apt_install redis-server || true; fi
  has redis-server || warn_missing "redis-server is missing and could not be installed: every test on a real Redis will be SKIPPED.
     Debian, Ubuntu: sudo apt-get install redis-server; macOS: brew install redis"
}

setup_chromium() {
  step=$((step + 1))
  if scripts/find-chromium.sh >/dev/null; then
    say "Chromium: present"
    return
  fi
  say "Chromium: installing"
  if has brew; then brew install --cask chromium || true; else apt_install chromium || true; fi
  scripts/find-chromium.sh >/dev/null || warn_missing "Chromium is missing and could not be installed: the tests of the page will be SKIPPED.
     Debian: sudo apt-get install chromium; macOS: brew install --cask chromium; or set CHROMIUM"
}

trap 'rm -rf "$TOOLS"/.staging-*."$$"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

if [ "$what" = fuzz ]; then
  setup_fuzz
  exit 0
fi
check_prerequisites
setup_rust
cargo_tool worker-build "$WORKER_BUILD_VERSION" worker-build "3 to 6 minutes" ||
  fail "worker-build $WORKER_BUILD_VERSION could not be installed; cargo's message is above."
cargo_tool wasm-bindgen-cli "$WASM_BINDGEN_VERSION" wasm-bindgen "2 to 4 minutes" ||
  fail "wasm-bindgen-cli $WASM_BINDGEN_VERSION could not be installed; cargo's message is above."
setup_npm
if [ "$what" != build ]; then setup_lint; fi
if [ "$what" = test ]; then
  setup_redis
  setup_chromium
fi
if [ -n "$missing" ]; then
  printf '\nset-up: done, but without:%s\n\n' "$missing" >&2
fi
