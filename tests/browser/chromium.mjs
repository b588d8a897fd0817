/** Chromium for the page's tests: one that is already on the machine, never a downloaded one. */
import { accessSync, constants } from "node:fs";
import path from "node:path";
import { chromium } from "playwright-core";

const NAMES = [
  "chromium",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
  "chrome",
  "microsoft-edge",
];
const ELSEWHERE = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/** The browser's path, or null. `CHROMIUM` names one that is not on the PATH, and must exist. */
function findChromium() {
  const named = process.env.CHROMIUM;
  if (named) {
    if (!isProgram(named)) throw new Error(`CHROMIUM is ${named}, which is not a program`);
    return named;
  }
  const folders = (process.env.PATH ?? "").split(path.delimiter).filter(Boolean);
  const onPath = NAMES.flatMap((name) => folders.map((folder) => path.join(folder, name)));
  return [...onPath, ...ELSEWHERE].find(isProgram) ?? null;
}

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * False when there is a browser, else the reason to skip, which is also printed: tests that did not
 * run must not look as if they had.
 */
export function whyNoChromium() {
  if (findChromium()) return false;
  const reason =
    "no Chromium was found: install one (apt install chromium, brew install --cask chromium) " +
    "or name it in CHROMIUM";
  console.error(`\n*** SKIPPED, NOT TESTED: the page in a browser. ${reason}. ***\n`);
  return reason;
}

/** A headless browser with a profile of its own, which resolves no name but localhost. */
export function launchChromium() {
  return chromium.launch({
    executablePath: findChromium(),
    timeout: 30_000,
    args: [
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    ],
  });
}
