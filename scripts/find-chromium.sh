#!/bin/sh
# Prints the path of a Chromium or Chrome and succeeds, or fails. CHROMIUM goes first.
set -eu

if [ -n "${CHROMIUM:-}" ]; then
  [ -x "$CHROMIUM" ] || exit 1
  printf '%s\n' "$CHROMIUM"
  exit 0
fi
for name in chromium chromium-browser google-chrome google-chrome-stable chrome microsoft-edge \
  "/Applications/Chromium.app/Contents/MacOS/Chromium" \
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
  if command -v "$name"; then exit 0; fi
done
exit 1
