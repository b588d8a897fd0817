/** Run a node, twice, and watch MISS turn into HIT. */
import { Problem } from "../js/api.js";
import { curlCommand } from "../js/curl.js";
import { byId, markField, stamp } from "../js/dom.js";
import { comparison, duration, reasonInWords } from "../js/words.js";
import { failureInWords, isPlainMiss, kindOf, resultCard } from "./result.js";

/** Something to run at once; a variable without an example starts empty. */
const EXAMPLES = new Map([
  [
    "text",
    "A cache keeps the answers to questions that were asked before. When the same question comes again, the answer is already there, and nobody has to work it out a second time.",
  ],
  ["language", "German"],
]);

/** A variable whose example is shorter gets one line. */
const SHORT = 40;

/** Whole seconds, within what a JSON number holds exactly. */
const TTL_FORM = /^\s*[0-9]{1,15}\s*$/;

/** Older cards leave the page, so that it stays light however long it is used. */
const CARDS_KEPT = 50;

/**
 * @param {object} shared
 * @param {import("../js/api.js").Api} shared.api
 * @param {ReturnType<typeof import("./access.js").mountAccess>} shared.access
 */
export function mountRun({ api, access }) {
  const bench = byId("run-bench");
  const form = byId("run-form");
  const nodePicker = byId("run-node");
  const cacheSwitch = byId("run-cache");
  const namespace = byId("run-namespace");
  const ttl = byId("run-ttl");
  const go = byId("run-go");
  const list = byId("results-list");

  /** @type {Awaited<ReturnType<typeof api.nodes>>} */
  let nodes = [];
  /** @type {Map<string, {area: HTMLTextAreaElement, error: HTMLElement}>} */
  let fields = new Map();
  /** @type {import("./result.js").Run[]} newest first */
  let runs = [];
  let count = 0;
  let running = false;

  nodePicker.addEventListener("change", showNode);
  form.addEventListener("input", showRequest);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!running) {
      run();
    }
  });
  mountCopy();

  async function load() {
    const loading = byId("run-loading");
    const hadPanel = access.isOpen;
    try {
      nodes = await api.nodes();
    } catch (error) {
      bench.hidden = true;
      loading.hidden = true;
      access.show(asProblem(error));
      return;
    }
    access.hide();
    loading.hidden = nodes.length > 0;
    loading.textContent = "No node is defined yet: add one to workflows/ and build again.";
    bench.hidden = nodes.length === 0;
    const picked = nodePicker.value;
    nodePicker.replaceChildren(...nodes.map((node) => new Option(nodeLabel(node), node.id)));
    if (nodes.some((node) => node.id === picked)) {
      nodePicker.value = picked;
    }
    showNode();
    if (hadPanel && nodes.length > 0) {
      // The panel took the focus with it when it closed.
      nodePicker.focus();
    }
  }

  function pickedNode() {
    return nodes.find((node) => node.id === nodePicker.value);
  }

  /** Builds one labelled field per input variable; what was typed under the same name stays. */
  function showNode() {
    const node = pickedNode();
    if (!node) {
      return;
    }
    const typed = new Map([...fields].map(([name, { area }]) => [name, area.value]));
    fields = new Map();
    const elements = node.input.map((name, at) => {
      const element = stamp("input-field");
      const label = element.querySelector("label");
      const area = element.querySelector("textarea");
      const error = element.querySelector(".error");
      area.id = `run-input-${at}`;
      error.id = `run-input-${at}-error`;
      area.setAttribute("aria-describedby", error.id);
      area.setAttribute("aria-required", "true");
      const example = EXAMPLES.get(name) ?? "";
      area.value = typed.get(name) ?? example;
      if (example && example.length < SHORT) {
        area.rows = 1;
      }
      label.htmlFor = area.id;
      label.textContent = name;
      fields.set(name, { area, error });
      return element;
    });
    byId("run-inputs").replaceChildren(...elements);
    const keys = node.key && `${node.key}\u00a0keys`;
    byId("run-node-about").textContent = [node.model, node.type, keys].filter(Boolean).join(" · ");
    byId("run-node-switch").textContent = node.caching ? "On" : "Off";
    byId("run-node-lamp").classList.toggle("is-on", node.caching);
    showRequest();
  }

  /** Brings everything that follows from the form up to date: the switches' sum and the curl line. */
  function showRequest() {
    const node = pickedNode();
    if (!node) {
      return;
    }
    byId("run-cache-state").textContent = cacheSwitch.checked ? "On" : "Off";
    byId("run-cache-fields").hidden = !cacheSwitch.checked;
    byId("run-switch-sum").textContent = switchesInWords(node.caching, cacheSwitch.checked);
    byId("curl-text").textContent = curlCommand({
      origin: location.origin,
      nodeId: node.id,
      request: request(),
      withKey: api.hasKey,
    });
    byId("curl-key-hint").hidden = !api.hasKey;
  }

  function request() {
    const input = Object.fromEntries([...fields].map(([name, { area }]) => [name, area.value]));
    if (!cacheSwitch.checked) {
      return { input };
    }
    const cache = {};
    if (namespace.value.trim() !== "") {
      cache.namespace = namespace.value.trim();
    }
    if (ttl.value.trim() !== "") {
      // What is no number stays as it was typed: as a number it would become null, a real setting.
      cache.ttl = TTL_FORM.test(ttl.value) ? Number(ttl.value) : ttl.value;
    }
    return { input, config: { cache } };
  }

  /** Checks what needs no round trip. @returns {string} what is wrong, or nothing */
  function check() {
    const wrong = [];
    for (const [name, { area, error }] of fields) {
      const message = area.value === "" ? `Fill in ${name}: the node’s prompt uses it.` : "";
      markField(area, error, message);
      wrong.push([area, message]);
    }
    const ttlIsFine = !cacheSwitch.checked || ttl.value.trim() === "" || TTL_FORM.test(ttl.value);
    const ttlMessage = ttlIsFine ? "" : "A ttl is a whole number of seconds, or nothing.";
    markField(ttl, byId("run-ttl-error"), ttlMessage);
    markField(namespace, byId("run-namespace-error"), "");
    wrong.push([ttl, ttlMessage]);
    const found = wrong.filter(([, message]) => message);
    found[0]?.[0].focus();
    return found.map(([, message]) => message).join(" ");
  }

  async function run() {
    const wrong = check();
    if (wrong) {
      say(wrong, "failed");
      return;
    }
    const node = pickedNode();
    const body = request();
    setRunning(true);
    say("Running…", "");
    const started = performance.now();
    const [answer, problem] = await api.run(node.id, body).then(
      (value) => [value, null],
      (error) => [null, asProblem(error)],
    );
    const ms = performance.now() - started;
    setRunning(false);

    if (problem?.isAboutKeys()) {
      say("", "");
      access.show(problem);
      byId("access").scrollIntoView({ block: "nearest" });
      return;
    }
    count += 1;
    record({
      number: count,
      nodeName: node.name || node.id,
      signature: JSON.stringify([node.id, body.config?.cache?.namespace ?? null, body.input]),
      ms,
      answer,
      problem,
    });
    if (problem?.code === "namespace-forbidden") {
      markField(namespace, byId("run-namespace-error"), problem.detail);
      namespace.focus();
    }
  }

  /** @param {import("./result.js").Run} latest */
  function record(latest) {
    runs = [latest, ...runs].slice(0, CARDS_KEPT);
    byId("results-empty").hidden = true;
    list.prepend(resultCard(latest));
    while (list.children.length > runs.length) {
      list.lastElementChild.remove();
    }
    const slowest = Math.max(...runs.map((each) => each.ms));
    runs.forEach((each, at) => {
      const bar = list.children[at].querySelector(".bar span");
      bar.style.setProperty("inline-size", `${(100 * each.ms) / slowest}%`);
    });
    const compared = compare(latest);
    const kind = kindOf(latest);
    if (kind === "failed") {
      say(`Run ${latest.number} failed. ${failureInWords(latest)}`, kind);
      return;
    }
    const reason = reasonInWords(latest.answer.result.cache?.reason);
    const outcome = `Run ${latest.number}: ${kind.toUpperCase()} in ${duration(latest.ms)}`;
    const faster = kind === "hit" && compared ? `, ${compared}` : "";
    say(`${outcome}${faster}. ${reason}`.trim(), kind);
  }

  /** Shows the newest hit beside the newest miss on the same key. @returns {string} its words */
  function compare(latest) {
    const same = runs.filter((each) => each.signature === latest.signature);
    const hit = same.find((each) => kindOf(each) === "hit");
    const miss = same.find(isPlainMiss);
    byId("comparison").hidden = !(hit && miss);
    if (!(hit && miss)) {
      return "";
    }
    const { factor, words } = comparison(miss.ms, hit.ms);
    byId("comparison-factor").textContent = factor;
    byId("comparison-text").textContent = `The hit was ${words}.`;
    byId("comparison-times").textContent =
      `MISS ${duration(miss.ms)}, HIT ${duration(hit.ms)}, measured in this browser`;
    return words;
  }

  function setRunning(now) {
    running = now;
    // Not `disabled`, which would take the focus away from the button.
    go.setAttribute("aria-disabled", String(now));
    go.textContent = now ? "Running…" : "Run";
  }

  /** The status line: beside the button, so that it is in sight on a phone, and read out. */
  function say(text, kind) {
    const status = byId("run-status");
    status.textContent = text;
    status.dataset.kind = kind;
  }

  return { load };
}

function mountCopy() {
  const said = byId("curl-copied");
  byId("curl-copy").addEventListener("click", async () => {
    const code = byId("curl-text");
    try {
      await navigator.clipboard.writeText(code.textContent);
      said.textContent = "Copied.";
    } catch {
      // No clipboard, as on a page that came over plain HTTP: select it for the user's own copy.
      getSelection().selectAllChildren(code);
      said.textContent = "Selected: copy it with your keyboard.";
    }
    setTimeout(() => {
      said.textContent = "";
    }, 4000);
  });
}

function nodeLabel(node) {
  return node.name && node.name !== node.id ? `${node.name} (${node.id})` : node.id;
}

function switchesInWords(nodeSwitch, runSwitch) {
  if (nodeSwitch && runSwitch) {
    return "Both are on: the cache is asked first.";
  }
  const off = nodeSwitch ? "This run’s switch is" : runSwitch ? "The node’s switch is" : "Both are";
  return `${off} off: the node executes, and the cache is not asked.`;
}

/** A mistake in the page itself is no answer of the API: let it reach the console. */
function asProblem(error) {
  if (error instanceof Problem) {
    return error;
  }
  throw error;
}
