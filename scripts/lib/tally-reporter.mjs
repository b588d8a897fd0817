// A reporter for `node --test` that writes what scripts/test.mjs adds up, as one line of JSON for
// each fact: what the whole run counted, and every test that did not run, with its reason.

/** @param {AsyncIterable<{type: string, data: any}>} events */
export default async function* tally(events) {
  for await (const { type, data } of events) {
    if (type === "test:summary" && data.file === undefined) {
      yield `${JSON.stringify({ counts: data.counts })}\n`;
    }
    const notRun = data?.skip ?? data?.todo;
    if ((type === "test:pass" || type === "test:fail") && notRun !== undefined) {
      // The runner counts no test of a group that is skipped as a whole.
      const group = data.details?.type === "suite";
      yield `${JSON.stringify({ skipped: data.name, reason: notRun, file: data.file, group })}\n`;
    }
  }
}
