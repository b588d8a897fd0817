// Adding up what the test runners themselves report.

/**
 * @typedef {object} Tally
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 * @property {{name: string, reason: string, file?: string}[]} notes the tests that did not run
 */

/** @param {Tally} one @param {Partial<Tally>} other @returns {Tally} */
export function addTally(one, other) {
  return {
    passed: one.passed + (other.passed ?? 0),
    failed: one.failed + (other.failed ?? 0),
    skipped: one.skipped + (other.skipped ?? 0),
    notes: [...one.notes, ...(other.notes ?? [])],
  };
}

/**
 * The sum over the "test result:" lines of cargo test; ignored tests are skipped ones.
 * @param {string} output
 * @returns {Tally}
 */
export function cargoTally(output) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the runner colours its words
  const plain = output.replace(/\x1b\[[0-9;]*m/g, "");
  let tally = { passed: 0, failed: 0, skipped: 0, notes: [] };
  const results = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;/gm;
  for (const [, passed, failed, skipped] of plain.matchAll(results)) {
    tally = addTally(tally, {
      passed: Number(passed),
      failed: Number(failed),
      skipped: Number(skipped),
    });
  }
  for (const [, name, , reason] of plain.matchAll(/^test (.+) \.\.\. ignored(, (.*))?$/gm)) {
    tally.notes.push({ name, reason: reason ?? "" });
  }
  return tally;
}

/**
 * The sum of what tally-reporter.mjs wrote. A test that was cancelled did not pass; one that is
 * only planned ("todo") was not tested; a group that is skipped as a whole counts as one skipped
 * test, since the runner does not say how many it has.
 * @param {string} lines
 * @returns {Tally}
 */
export function nodeTally(lines) {
  let tally = { passed: 0, failed: 0, skipped: 0, notes: [] };
  for (const line of lines.split("\n").filter(Boolean)) {
    const { counts, skipped, reason, file, group } = JSON.parse(line);
    if (counts) {
      tally = addTally(tally, {
        passed: counts.passed,
        failed: counts.failed + counts.cancelled,
        skipped: counts.skipped + counts.todo,
      });
    } else {
      if (group) tally.skipped += 1;
      tally.notes.push({ name: skipped, reason: typeof reason === "string" ? reason : "", file });
    }
  }
  return tally;
}
