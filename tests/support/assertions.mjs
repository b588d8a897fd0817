/** The two shapes in which edgememo refuses something. */
import assert from "node:assert/strict";

/** An error that is not a run's: RFC 9457, with a stable code and a detail that helps. */
export function assertProblem(answer, status, code) {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers["content-type"], /^application\/problem\+json\b/);
  const { type, title, detail, ...rest } = answer.json;
  assert.deepEqual(rest, { status, code });
  assert.equal(type, "about:blank");
  for (const text of [title, detail]) assert.ok(typeof text === "string" && text.length > 5, text);
}

/** A run that failed: a RunnableResult without output. */
export function assertFailure(answer, status, type) {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers["content-type"], /^application\/json\b/);
  const { error, ...result } = answer.json;
  assert.equal(result.status, "failure");
  assert.equal(result.output, null);
  assert.equal(result.is_output_from_cache, false);
  assert.equal(typeof result.run_id, "string");
  assert.equal(error.type, type);
  assert.equal(typeof error.recoverable, "boolean");
  assert.ok(typeof error.message === "string" && error.message.length > 5, error.message);
}
