/**
 * The first page in a real browser, served by the built Worker with the headers that ship. Each
 * visit ends with a look at what the browser complained about: policy violations, errors, requests
 * to anywhere else.
 */
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { behaviours } from "../support/upstream.mjs";
import { keyOf, uniqueText, World } from "../support/world.mjs";
import { launchChromium, whyNoChromium } from "./chromium.mjs";
import { answered, visit } from "./visitor.mjs";

const GROUP_MS = 120_000;
const SCREENSHOT = fileURLToPath(new URL("../../docs/images/first-page.png", import.meta.url));

const skip = whyNoChromium();
/** A skipped group would hide how many tests did not run: each is skipped by itself. */
const test = (name, fn) => it(name, { skip }, fn);

let browser;
before(async () => {
  if (!skip) browser = await launchChromium();
});
after(() => browser?.close());

/** Tests in front of a Worker of their own, with the embedded store. */
function inWorld(title, env, define) {
  describe(title, { timeout: GROUP_MS }, () => {
    const world = new World({ store: "embedded", env });
    if (!skip) {
      before(() => world.start());
      beforeEach(() => world.reset());
      after(() => world.close());
    }
    define(world);
  });
}

const LOCAL = { EDGEMEMO_API_KEYS: undefined, EDGEMEMO_INSECURE: "true" };

/** An answer that takes its time, as a model's does. */
function slowly(ms, content) {
  const answer = behaviours.answer(content);
  return (call, response) => setTimeout(() => answer(call, response), ms);
}

inWorld("the page, locally", LOCAL, (world) => {
  test("shows MISS, then HIT, and what each took", async () => {
    const delay = 1_000;
    world.upstream.behave(slowly(delay));
    const visitor = await visit(browser, world);
    const text = uniqueText();
    await visitor.text().fill(text);

    const miss = await visitor.run();
    assert.equal(miss.badge, "MISS");
    assert.equal(miss.title, "Run 1: Summarizer");
    assert.equal(miss.output, "Summary 1.");
    assert.match(miss.cacheStatus, /^edgememo; fwd=miss; detail=store-scheduled/);
    for (const took of [miss.took, miss.execute]) {
      // Timers and the page's rounding may each be a few milliseconds off.
      assert.ok(milliseconds(took) > delay - 20, `a miss of ${took} with a model of ${delay} ms`);
    }
    assert.match(await visitor.status().textContent(), /^Run 1: MISS in \d/);
    assert.ok(await visitor.page.locator("#comparison").isHidden());

    await world.stored(keyOf(text));
    const hit = await visitor.run();
    assert.equal(hit.badge, "HIT");
    assert.equal(hit.title, "Run 2: Summarizer");
    assert.equal(hit.output, "Summary 1.");
    assert.match(hit.cacheStatus, /^edgememo; hit/);
    assert.equal(hit.execute, "not executed");
    assert.ok(milliseconds(hit.took) < delay, `a hit of ${hit.took}`);
    assert.equal(world.upstream.calls.length, 1);

    assert.match(
      await visitor.status().textContent(),
      /^Run 2: HIT in .* ms, [\d.]+ times faster than the miss\.$/,
    );
    assert.match(
      await visitor.page.locator("#comparison").textContent(),
      /^\s*[\d.]+×\s+The hit was [\d.]+ times faster than the miss\.\s+MISS [\d.]+ m?s, HIT [\d.]+ ms/,
    );
    await visitor.leave();
  });

  test("executes without the cache when the run's switch is off", async () => {
    const visitor = await visit(browser, world);
    await visitor.text().fill(uniqueText());
    await visitor.cacheSwitch().uncheck();
    assert.ok(await visitor.namespace().isHidden());
    await visitor.says(visitor.page.locator("#run-switch-sum"), /This run’s switch is off/);

    for (const content of ["Summary 1.", "Summary 2."]) {
      const run = await visitor.run();
      assert.equal(run.badge, "BYPASS");
      assert.equal(run.output, content);
      assert.match(run.why, /did not send config\.cache/);
      assert.equal(run.cacheStatus, "edgememo; fwd=bypass; detail=no-cache-config");
      assert.equal(run.cache, "not asked");
      assert.equal(run.key, "none");
    }
    await visitor.leave();
  });

  test("says which field is missing, and asks nobody", async () => {
    const visitor = await visit(browser, world);
    await visitor.text().fill("");
    await visitor.ttl().fill("soon");
    await visitor.runButton().click();
    await visitor.says(visitor.status(), /Fill in text: the node’s prompt uses it\./);
    await visitor.says(visitor.status(), /A ttl is a whole number of seconds/);
    for (const field of [visitor.text(), visitor.ttl()]) {
      assert.equal(await field.getAttribute("aria-invalid"), "true");
    }
    assert.ok(await visitor.text().evaluate((field) => field === document.activeElement));
    assert.match(await describedBy(visitor.text()), /Fill in text/);
    await visitor.assertAccessible();
    assert.equal(await visitor.cards().count(), 0);
    assert.equal(world.upstream.calls.length, 0);

    await visitor.text().fill(uniqueText());
    await visitor.ttl().fill("");
    assert.equal((await visitor.run()).badge, "MISS");
    assert.equal(await visitor.text().getAttribute("aria-invalid"), null);
    await visitor.leave();
  });

  test("shows the Worker's own refusal of an input in words", async () => {
    const visitor = await visit(browser, world);
    await visitor.page.route("**/v1/nodes/summarizer/run", (route) =>
      route.continue({ postData: JSON.stringify({ input: {} }) }),
    );
    const run = await visitor.run();
    assert.equal(run.badge, "FAILED");
    assert.match(run.output, /text/);
    assert.match(run.output, /\(HTTP 422, ValidationError\)$/);
    await visitor.leave([answered(422)]);
  });

  test("shows that the model failed, and stays usable", async () => {
    const visitor = await visit(browser, world);
    await visitor.text().fill(uniqueText());
    world.upstream.behave(behaviours.fail(500, { error: { message: "the model is on fire" } }));
    const failed = await visitor.run();
    assert.equal(failed.badge, "FAILED");
    assert.match(failed.output, /\(HTTP 502, UpstreamError\)$/);
    await visitor.says(visitor.status(), /^Run 1 failed\. .*UpstreamError/);

    world.upstream.behave(behaviours.answer("Fine again."));
    const run = await visitor.run();
    assert.equal(run.badge, "MISS");
    assert.equal(run.output, "Fine again.");
    await visitor.leave([answered(502)]);
  });

  test("says that the Worker cannot be reached", async () => {
    const visitor = await visit(browser, world);
    await visitor.page.context().setOffline(true);
    const run = await visitor.run();
    assert.equal(run.badge, "FAILED");
    assert.match(run.output, /^No answer\. The Worker could not be reached/);
    await visitor.leave([/ERR_INTERNET_DISCONNECTED/]);
  });

  test("runs once for two presses in a row", async () => {
    world.upstream.behave(slowly(300));
    const visitor = await visit(browser, world);
    await visitor.text().fill(uniqueText());
    await visitor.runButton().dblclick();
    assert.equal(await visitor.runButton().getAttribute("aria-disabled"), "true");
    await visitor.says(visitor.status(), /MISS/);
    assert.equal(await visitor.cards().count(), 1);
    assert.equal(world.upstream.calls.length, 1);
    await visitor.leave();
  });

  test("shows markup in answers and inputs as text", async () => {
    const markup = `<img src=x onerror="window.hacked = 1"><script>window.hacked = 2</script><b>bold</b>`;
    world.upstream.behave(behaviours.answer(markup));
    const visitor = await visit(browser, world);
    await visitor.text().fill(`${markup} ${uniqueText()}`);
    await visitor.namespace().fill(markup);
    assert.equal((await visitor.run()).output, markup);
    assert.equal(await visitor.cards().locator("img, script, b").count(), 0);
    assert.equal(await visitor.page.locator("#curl-text > *").count(), 0);
    assert.equal(await visitor.page.evaluate(() => globalThis.hacked), undefined);
    await visitor.leave();
  });

  test("writes the run down as a curl line that does the same", async () => {
    const visitor = await visit(browser, world);
    await visitor.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    const text = `it's "quoted", ${uniqueText()}\nsecond line, $HOME`;
    await visitor.text().fill(text);
    await visitor.run();
    await world.settle();
    await visitor.page.getByRole("button", { name: "Copy" }).click();
    await visitor.page.getByText("Copied.").waitFor();
    const command = await visitor.page.evaluate(() => navigator.clipboard.readText());
    assert.equal(command, await visitor.curl().textContent());
    assert.doesNotMatch(command, /api-key/);

    // The words of the command, the way the shell would hand them to curl.
    const body = JSON.parse(/-d '(.*)'$/s.exec(command)[1].replaceAll("'\\''", "'"));
    assert.deepEqual(body, {
      input: { text },
      config: { cache: { namespace: "my-app", ttl: 3600 } },
    });
    assert.ok(command.includes(`${world.worker.url.origin}/v1/nodes/summarizer/run`));
    const answer = await world.run(body, { key: null });
    assert.equal(answer.json.cache.status, "hit");
    await visitor.leave();
  });

  test("runs the second node with its two variables, under a canonical key", async () => {
    const visitor = await visit(browser, world, { viewport: { width: 360, height: 740 } });
    const text = uniqueText();
    await visitor.text().fill(text);
    await visitor.node().selectOption("translator");
    assert.equal(await visitor.text().inputValue(), text);
    const language = visitor.page.getByRole("textbox", { name: "language" });
    assert.equal(await language.inputValue(), "German");
    const about = visitor.page.locator("#run-node-about");
    assert.equal(
      await about.textContent(),
      "gpt-4o-mini · dynamiq.nodes.llms.OpenAI · canonical\u00a0keys",
    );
    await visitor.assertAccessible();
    await visitor.assertNoSidewaysScrolling();

    const miss = await visitor.run();
    assert.deepEqual([miss.badge, miss.title], ["MISS", "Run 1: Translator"]);
    assert.match(miss.key, /^my-app:translator:[0-9a-f]{64}:[0-9a-f]{64}:v1$/);
    const [{ content }] = JSON.parse(world.upstream.calls[0].text).messages;
    assert.equal(content, `Translate into German: ${text}`);
    await world.stored(miss.key);
    const hit = await visitor.run();
    assert.deepEqual([hit.badge, hit.key], ["HIT", miss.key]);
    await language.fill("French");
    assert.equal((await visitor.run()).badge, "MISS");

    await visitor.node().selectOption("summarizer");
    assert.match(await about.textContent(), / · dynamiq\u00a0keys$/);
    assert.equal((await visitor.run()).title, "Run 4: Summarizer");
    await visitor.leave();
  });

  test("builds its fields from what the nodes ask for", async () => {
    const visitor = await visit(browser, world);
    const nodes = [
      {
        id: "summarizer",
        name: "Summarizer",
        type: "t",
        model: "m",
        input: ["text"],
        caching: true,
      },
      {
        id: "plain",
        name: "plain",
        type: "u",
        model: null,
        input: ["text", "tone"],
        caching: false,
      },
    ];
    await visitor.page.route("**/v1/nodes", (route) => route.fulfill({ json: { nodes } }));
    await visitor.page.reload();
    await visitor.text().fill("kept");
    const picker = visitor.node();
    assert.deepEqual(await picker.locator("option").allTextContents(), [
      "Summarizer (summarizer)",
      "plain",
    ]);
    await picker.selectOption("plain");
    assert.equal(await visitor.text().inputValue(), "kept");
    await visitor.page.getByRole("textbox", { name: "tone" }).fill("dry");
    await visitor.says(visitor.page.locator("#run-switch-sum"), /The node’s switch is off/);
    assert.equal(await visitor.page.locator("#run-node-switch").textContent(), "Off");
    assert.match(await visitor.curl().textContent(), /"input":\{"text":"kept","tone":"dry"\}/);
    await visitor.leave();
  });

  test("works by keyboard alone, with the focus in sight", async () => {
    const visitor = await visit(browser, world);
    await visitor.text().waitFor();
    const { keyboard } = visitor.page;
    const text = uniqueText();
    const seen = [];
    for (let step = 0; step < 6; step += 1) {
      await keyboard.press("Tab");
      const focus = await visitor.page.evaluate(() => ({
        id: document.activeElement.id,
        outline: getComputedStyle(document.activeElement).outlineStyle,
      }));
      assert.equal(focus.outline, "solid", `the focus on ${focus.id} cannot be seen`);
      seen.push(focus.id);
      if (focus.id === "run-input-0") {
        await keyboard.press("ControlOrMeta+A");
        await keyboard.type(text);
      }
    }
    assert.deepEqual(seen, [
      "run-node",
      "run-input-0",
      "run-cache",
      "run-namespace",
      "run-ttl",
      "run-go",
    ]);
    for (const badge of ["MISS", "HIT"]) {
      await keyboard.press("Enter");
      await visitor.says(visitor.status(), new RegExp(badge));
      assert.equal(await visitor.page.evaluate(() => document.activeElement.id), "run-go");
      await world.stored(keyOf(text));
    }
    await visitor.leave();
  });

  for (const [name, options] of [
    ["light", { colorScheme: "light" }],
    ["dark", { colorScheme: "dark" }],
    ["light, on a phone", { colorScheme: "light", viewport: { width: 360, height: 740 } }],
    ["dark, on a phone", { colorScheme: "dark", viewport: { width: 360, height: 740 } }],
    [
      "at 320 px, with reduced motion",
      { viewport: { width: 320, height: 640 }, reducedMotion: "reduce" },
    ],
  ]) {
    test(`is accessible and fits: ${name}`, async () => {
      const visitor = await visit(browser, world, options);
      await visitor.text().waitFor();
      await visitor.assertAccessible();
      const text = uniqueText();
      const namespace = "n".repeat(80);
      await visitor.text().fill(text);
      await visitor.namespace().fill(namespace);
      world.upstream.behave(behaviours.answer(`${"unbroken".repeat(60)} and\n  more`));
      await visitor.run();
      await world.stored(keyOf(text, namespace));
      assert.equal((await visitor.run()).badge, "HIT");
      await visitor.cacheSwitch().uncheck();
      await visitor.run();
      world.upstream.behave(behaviours.fail(500, "no"));
      await visitor.run();
      await visitor.cacheSwitch().check();
      await visitor.assertAccessible();
      await visitor.assertNoSidewaysScrolling();
      const moves = await visitor.page
        .locator(".bar span")
        .first()
        .evaluate((bar) => getComputedStyle(bar).transitionDuration !== "0s");
      assert.equal(moves, options.reducedMotion !== "reduce");
      await visitor.leave([answered(502)]);
    });
  }

  test("is served under a policy that runs nothing from elsewhere", async () => {
    for (const asset of ["/", "/app.js", "/style.css", "/favicon.svg"]) {
      const { status, headers } = await world.send(asset);
      assert.equal(status, 200, asset);
      assert.match(headers["content-security-policy"], /^default-src 'none'; /, asset);
      assert.doesNotMatch(headers["content-security-policy"], /unsafe|\*|https?:|data:/, asset);
      assert.equal(headers["x-content-type-options"], "nosniff", asset);
    }
    const visitor = await visit(browser, world);
    const happened = await visitor.page.evaluate(() => {
      const script = document.createElement("script");
      try {
        script.textContent = "window.ran = true";
      } catch {
        // Refused one step earlier, by Trusted Types.
      }
      document.body.append(script);
      const box = document.createElement("p");
      let refused = false;
      try {
        box.innerHTML = "<b>markup</b>";
      } catch {
        refused = true;
      }
      return { ran: globalThis.ran === true, refused, bold: box.querySelector("b") !== null };
    });
    assert.deepEqual(happened, { ran: false, refused: true, bold: false });
    await visitor.leave([/Content Security Policy|TrustedScript|TrustedHTML/]);
  });

  test("makes the README's picture", async () => {
    world.upstream.behave(
      slowly(
        800,
        "A cache remembers past answers, so a repeated question is answered at once instead of being worked out again.",
      ),
    );
    const visitor = await visit(browser, world, { viewport: { width: 1200, height: 800 } });
    await visitor.text().waitFor();
    assert.equal((await visitor.run()).badge, "MISS");
    await world.settle();
    assert.equal((await visitor.run()).badge, "HIT");
    await visitor.page.mouse.move(0, 0);
    // The address that a reader will see, in place of this run's.
    await visitor.curl().evaluate((code, address) => {
      code.textContent = code.textContent.replace(address, "http://localhost:8787");
    }, world.worker.url.origin);
    await visitor.page.evaluate(() =>
      Promise.all(document.getAnimations().map(({ finished }) => finished)),
    );
    // A plain test run leaves the tree as it is.
    const update = process.env.UPDATE_SCREENSHOT === "1";
    if (update) await mkdir(path.dirname(SCREENSHOT), { recursive: true });
    const picture = await visitor.page.screenshot({
      fullPage: true,
      path: update ? SCREENSHOT : undefined,
    });
    assert.ok(picture.length < 300_000, `the picture has ${picture.length} bytes`);
    await visitor.leave();
  });
});

inWorld("the page, with API keys", {}, (world) => {
  test("asks for a key, keeps it in memory, and forgets it", async () => {
    const visitor = await visit(browser, world);
    const access = visitor.page.locator("#access");
    await visitor.says(access, /This Worker asks for an API key/);
    await visitor.says(access, /HTTP 401, unauthenticated/);
    assert.ok(await visitor.page.locator("#run-bench").isHidden());
    assert.equal(await visitor.apiKey().getAttribute("type"), "password");
    await visitor.assertAccessible();

    await visitor.enterKey("no such key");
    await visitor.says(access, /printable ASCII/);
    await visitor.enterKey("wrong");
    await visitor.says(access, /This key was not accepted/);
    assert.ok(await visitor.apiKey().evaluate((field) => field === document.activeElement));

    await visitor.enterKey(world.keys.team);
    await visitor.text().waitFor();
    assert.ok(await access.isHidden());
    const text = uniqueText();
    await visitor.text().fill(text);
    const miss = await visitor.run();
    assert.equal(miss.badge, "MISS");
    assert.equal(miss.key, keyOf(text));
    assert.ok(miss.cacheStatus.endsWith(`key="${keyOf(text)}"`), miss.cacheStatus);
    await world.stored(keyOf(text));
    assert.equal((await visitor.run()).badge, "HIT");
    assert.equal(world.upstream.calls.length, 1);

    assert.match(await visitor.curl().textContent(), /-H "x-edgememo-api-key: \$EDGEMEMO_API_KEY"/);
    assert.ok(!(await visitor.page.content()).includes(world.keys.team));
    assert.equal(await visitor.storage(), "[{},{},[],[]]");
    await visitor.assertAccessible();

    await visitor.page.getByRole("button", { name: "Forget it" }).click();
    await visitor.says(access, /This Worker asks for an API key/);
    await visitor.enterKey(world.keys.team);
    await visitor.text().waitFor();
    await visitor.page.reload();
    await visitor.says(access, /This Worker asks for an API key/);
    await visitor.leave([answered(401)]);
  });

  test("asks again when a run is refused", async () => {
    const visitor = await visit(browser, world);
    await visitor.enterKey(world.keys.team);
    await visitor.text().fill("what was typed stays");
    await visitor.page.route("**/run", (route) => {
      const { "x-edgememo-api-key": _key, ...headers } = route.request().headers();
      return route.continue({ headers });
    });
    await visitor.runButton().click();
    await visitor.says(visitor.page.locator("#access"), /This key was not accepted/);
    await visitor.page.unroute("**/run");
    await visitor.enterKey(world.keys.team);
    await visitor.page.locator("#access").waitFor({ state: "hidden" });
    assert.equal(await visitor.text().inputValue(), "what was typed stays");
    assert.equal((await visitor.run()).badge, "MISS");
    await visitor.leave([answered(401)]);
  });

  test("shows a namespace that the key does not reach at its field", async () => {
    const visitor = await visit(browser, world);
    await visitor.enterKey(world.keys.team);
    await visitor.text().fill(uniqueText());
    await visitor.namespace().fill("foreign");
    const run = await visitor.run();
    assert.equal(run.badge, "FAILED");
    assert.match(run.output, /\(HTTP 403, namespace-forbidden\)$/);
    assert.equal(await visitor.namespace().getAttribute("aria-invalid"), "true");
    assert.notEqual(await describedBy(visitor.namespace()), "");
    assert.equal(world.upstream.calls.length, 0);
    await visitor.leave([answered(401), answered(403)]);
  });
});

inWorld("the page, without any caller configured", { EDGEMEMO_API_KEYS: undefined }, (world) => {
  test("says what the Worker lacks, and tries again", async () => {
    const visitor = await visit(browser, world);
    const access = visitor.page.locator("#access");
    await visitor.says(access, /EDGEMEMO_API_KEYS/);
    await visitor.says(access, /HTTP 503, api-keys-missing/);
    assert.ok(await visitor.apiKey().isVisible());
    await visitor.assertAccessible();

    const nodes = [{ id: "n", name: "N", type: "t", model: "m", input: [], caching: true }];
    await visitor.page.route("**/v1/nodes", (route) => route.fulfill({ json: { nodes } }));
    await visitor.page.getByRole("button", { name: "Try again" }).click();
    await access.waitFor({ state: "hidden" });
    assert.ok(await visitor.runButton().isVisible());
    assert.equal(await visitor.page.evaluate(() => document.activeElement.id), "run-node");
    await visitor.leave([answered(503)]);
  });
});

/** The text that a screen reader gives as a field's description. */
function describedBy(field) {
  return field.evaluate((element) =>
    (element.getAttribute("aria-describedby") ?? "")
      .split(" ")
      .map((id) => document.getElementById(id).textContent)
      .join(" ")
      .trim(),
  );
}

/** Reads a duration back from the page. */
function milliseconds(words) {
  const [, number, unit] = /^([\d.]+) (ms|s)$/.exec(words) ?? assert.fail(`no duration: ${words}`);
  return Number(number) * (unit === "s" ? 1000 : 1);
}
