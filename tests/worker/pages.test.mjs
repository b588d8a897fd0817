/** A scraped page on its way to a model: fetched, made into text, summarized, and remembered. */
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";
import { listen, shut } from "../support/http.mjs";
import { overBothStores, uniqueText } from "../support/world.mjs";

const PAGE = `<!doctype html><title>Tea &amp; milk</title><nav>Home</nav>
<main><h1>Tea</h1><p>First the <b>tea</b>.<script>alert("x")</script></main>`;

const site = { fetched: [] };
before(async () => {
  site.server = http.createServer((request, response) => {
    site.fetched.push(request.url);
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
    response.end(PAGE);
  });
  site.url = `http://127.0.0.1:${await listen(site.server)}`;
});
after(() => shut(site.server));

const env = () => ({ SITE_URL: site.url });

overBothStores("a page on its way to a model", { workflows: "tests", env }, (world) => {
  const cache = { namespace: "my-app", ttl: 3600 };

  test("is fetched, made into text and summarized once", async () => {
    site.fetched.length = 0;
    const path = `/tea?${encodeURIComponent(uniqueText())}`;
    const body = { input: { url: site.url + path }, config: { cache } };
    const first = await world.runWorkflow("page", body);
    assert.equal(first.status, 200, first.text);
    assert.deepEqual(first.json.output["page-text"].output, {
      content: "# Tea\n\nFirst the **tea**.",
      title: "Tea & milk",
    });
    const [{ text }] = world.upstream.calls;
    assert.equal(JSON.parse(text).messages[0].content, "Tea & milk: # Tea\n\nFirst the **tea**.");
    for (const node of Object.values(first.json.output)) await world.stored(node.cache.key);

    const second = await world.runWorkflow("page", body);
    assert.equal(second.json.is_output_from_cache, true);
    assert.deepEqual(site.fetched, [path]);
    assert.equal(world.upstream.calls.length, 1);
  });

  test("is not fetched from anywhere else", async () => {
    const answer = await world.run({ input: { content: 1 } }, { node: "page-text" });
    // Outside of its flow it has nothing to wait for.
    assert.equal(answer.json.status, "skip");
    const origin = "http://127.0.0.1:9/";
    const foreign = { input: { url: origin }, config: { cache } };
    const { status, json } = await world.runWorkflow("page", foreign);
    assert.deepEqual([status, json.output["summarize-page"].status], [422, "skip"]);
    assert.match(json.error.failed_nodes[0].error_message, /origin|allowed/);
  });
});
