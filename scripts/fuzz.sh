#!/bin/sh
# Runs every fuzz target for a bounded time, one after the other. Called by `make fuzz`.
#
#   scripts/fuzz.sh [SECONDS [TARGET…]]
#
# What is found on the way is kept in fuzz/found, and the next run starts from it and from
# the committed corpus. Whatever fails stays in fuzz/artifacts.
set -eu

cd "$(dirname "$0")/.."
. scripts/versions.sh

seconds=${1:-30}
case $seconds in
  '' | *[!0-9]*)
    echo "fuzz: '$seconds' is no number of seconds" >&2
    exit 2
    ;;
esac
[ "$#" -eq 0 ] || shift
[ "$#" -gt 0 ] || set -- key codec serde_json

# cargo finds its subcommands on the PATH.
PATH=$(dirname "$CARGO_FUZZ"):$PATH
export PATH
# A toolchain that is named wins over rust-toolchain.toml, also in what cargo-fuzz starts.
export RUSTUP_TOOLCHAIN=nightly

for target; do
  [ -d "fuzz/corpus/$target" ] || {
    echo "fuzz: there is no target '$target'" >&2
    exit 2
  }
  found=fuzz/found/$target
  mkdir -p "$found"
  dictionary=
  [ "$target" = codec ] || dictionary=-dict=fuzz/json.dict
  echo "── fuzzing $target for $seconds seconds"
  if ! cargo fuzz run "$target" "$found" "fuzz/corpus/$target" -- \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 $dictionary; then
    printf '\nfuzz: %s FAILED. The message is above; the input, if there is one, is in fuzz/artifacts/%s.\n' "$target" "$target" >&2
    printf '      Again: PATH=%s:$PATH cargo +nightly fuzz run %s FILE\n' "$(dirname "$CARGO_FUZZ")" "$target" >&2
    printf '      Once it is mended, the input belongs into fuzz/corpus/%s.\n' "$target" >&2
    exit 1
  fi
done
echo "fuzz: $# targets, $seconds seconds each, nothing found"
