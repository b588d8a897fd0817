// Takes what the build script made of the definitions out of a build:
//
//   cargo build --message-format=json-render-diagnostics … | node scripts/definitions.mjs FILE
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";

const [file] = process.argv.slice(2);
const made = (await text(process.stdin))
  .split("\n")
  .filter((line) => line.startsWith("{"))
  .map((line) => JSON.parse(line))
  // cargo says it also of a build script that it did not have to run again. Of all packages only this
  // project is a folder.
  .filter(({ reason, package_id }) => {
    return reason === "build-script-executed" && package_id.startsWith("path+");
  })
  .map(({ out_dir }) => join(out_dir, "definitions.json"))
  .find((path) => existsSync(path));
if (!made) {
  console.error("definitions.mjs: cargo named no definitions.json that the build script made");
  process.exit(1);
}
const definitions = readFileSync(made);
if (!existsSync(file) || !readFileSync(file).equals(definitions)) {
  // In one piece: `make dev` looks at it whenever it changes.
  writeFileSync(`${file}.new`, definitions);
  renameSync(`${file}.new`, file);
}
