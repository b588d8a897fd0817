/** A prompt is rendered when the node executes, which is after the lookup, as in Dynamiq. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertFailure } from "../support/assertions.mjs";
import { base64, overBothStores, uniqueText } from "../support/world.mjs";

overBothStores("an input whose prompt cannot be rendered", {}, (world) => {
  const cases = {
    "a lone surrogate in the text": () => `{"text":"${uniqueText()} \\ud800"}`,
    "a member named self": () => `{"text":"${uniqueText()}","self":1}`,
  };
  const run = (input) =>
    world.run(`{"input":${input},"config":{"cache":{"namespace":"my-app","ttl":60}}}`);

  for (const [name, input] of Object.entries(cases)) {
    test(`is refused after the lookup, and the model is not asked: ${name}`, async () => {
      const answer = await run(input());
      assertFailure(answer, 422, "ValidationError");
      assert.equal(answer.json.cache.status, "miss");
      assert.equal(world.upstream.calls.length, 0);
    });

    test(`is served from the cache though its prompt could not be rendered: ${name}`, async () => {
      const same = input();
      const { json } = await run(same);
      await world.store.set(json.cache.key, base64('{"content": "from elsewhere"}'));
      const hit = await run(same);
      assert.equal(hit.status, 200);
      assert.equal(hit.json.cache.status, "hit");
      assert.deepEqual(hit.json.output, { content: "from elsewhere" });
    });
  }
});
