/**
 * A visitor of the page: a browser tab that remembers everything the browser complained about, with
 * names for what a person does and sees there.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const PATIENCE_MS = 10_000;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What a browser logs about an answer with an error status; the page can do nothing about it. */
export function answered(status) {
  return new RegExp(
    `^error: Failed to load resource: the server responded with a status of ${status} `,
  );
}

/**
 * @param {import("playwright-core").Browser} browser
 * @param {{worker: {url: URL}, recorder: {record(place: string, text: string): void}}} world
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
export async function visit(browser, world, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1200, height: 900 },
    colorScheme: "light",
    ...options,
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const visitor = new Visitor(page, world);
  await page.goto(world.worker.url.href);
  return visitor;
}

export class Visitor {
  /** Console errors and warnings, uncaught exceptions and policy violations, as they came. */
  complaints = [];

  constructor(page, world) {
    this.page = page;
    this.world = world;
    page.on("console", (message) => {
      world.recorder.record("the page's console", message.text());
      if (["error", "warning"].includes(message.type())) {
        this.complaints.push(`${message.type()}: ${message.text()}`);
      }
    });
    page.on("pageerror", (error) => this.complaints.push(`uncaught: ${error}`));
    page.on("request", (request) => {
      if (new URL(request.url()).origin !== new URL(world.worker.url).origin) {
        this.complaints.push(`request to another origin: ${request.url()}`);
      }
    });
  }

  node = () => this.page.getByRole("combobox", { name: "Node" });
  text = () => this.page.getByRole("textbox", { name: "text", exact: true });
  namespace = () => this.page.getByRole("textbox", { name: "Namespace" });
  ttl = () => this.page.getByRole("textbox", { name: "ttl" });
  cacheSwitch = () => this.page.getByRole("checkbox", { name: "Send config.cache" });
  apiKey = () => this.page.getByLabel("API key", { exact: true });
  runButton = () => this.page.locator("#run-go");
  status = () => this.page.locator("#run-status");
  cards = () => this.page.locator("#results-list > li");
  curl = () => this.page.locator("#curl-text");

  /** Presses Run and returns the new card, which is the first of the list. */
  async run() {
    const before = await this.cards().count();
    await this.runButton().click();
    await this.cards().nth(before).waitFor();
    return this.newest();
  }

  /** The newest card, as a person reads it. */
  async newest() {
    const card = this.cards().first();
    const slot = (name) => card.locator(`[data-slot="${name}"]`);
    return {
      badge: await slot("badge").textContent(),
      title: await slot("title").textContent(),
      took: await slot("took").textContent(),
      output: await slot("output").textContent(),
      why: await slot("why").textContent(),
      cache: await slot("cache").textContent(),
      execute: await slot("execute").textContent(),
      cacheStatus: await slot("cache-status").textContent(),
      key: await slot("key").textContent(),
    };
  }

  async enterKey(key) {
    await this.apiKey().fill(key);
    await this.page.getByRole("button", { name: "Use this key" }).click();
  }

  /** Waits until a place says something. */
  async says(place, pattern) {
    await place.filter({ hasText: pattern }).waitFor();
  }

  /** Fails on what axe finds, and on axe having looked at nothing. */
  async assertAccessible() {
    await this.page.evaluate(axe);
    const found = await this.page.evaluate(async () => {
      const { violations, incomplete, passes } = await globalThis.axe.run();
      const told = ({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(", ")}`;
      return {
        violations: violations.map(told),
        incomplete: incomplete.map(told),
        passed: passes.map(({ id }) => id),
      };
    });
    assert.deepEqual(found.violations, []);
    assert.deepEqual(found.incomplete, []);
    for (const rule of ["color-contrast", "label", "button-name"]) {
      assert.ok(found.passed.includes(rule), `axe did not get to ${rule}`);
    }
  }

  async assertNoSidewaysScrolling() {
    const { content, window } = await this.page.evaluate(() => ({
      content: document.documentElement.scrollWidth,
      window: document.documentElement.clientWidth,
    }));
    assert.ok(content <= window, `the content is ${content} px wide in a window of ${window} px`);
  }

  /**
   * Ends the visit. Everything the page holds goes to the world's search for secrets, and every
   * complaint of the browser has to be one of the expected.
   *
   * @param {RegExp[]} [expected]
   */
  async leave(expected = []) {
    const { recorder } = this.world;
    recorder.record("the page", await this.page.content());
    recorder.record("the browser's storage", await this.storage());
    await this.page.context().close();
    const surprises = this.complaints.filter((text) => !expected.some((known) => known.test(text)));
    assert.deepEqual(surprises, []);
    for (const known of expected) {
      assert.ok(
        this.complaints.some((text) => known.test(text)),
        `no complaint matches ${known}`,
      );
    }
  }

  /** Local storage, session storage, cookies and databases, as one text. */
  async storage() {
    const stored = await this.page.evaluate(async () => [
      { ...localStorage },
      { ...sessionStorage },
      await indexedDB.databases(),
    ]);
    return JSON.stringify([...stored, await this.page.context().cookies()]);
  }
}
