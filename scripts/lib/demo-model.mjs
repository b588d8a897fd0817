// The demo model of `make dev`: an OpenAI-compatible server on loopback that answers at once what a
// model would take a second for, and says in every answer that it is a demo. It never leaves the
// developer's machine: a deployed Worker without a provider key answers 503.
import { setTimeout as sleep } from "node:timers/promises";
import { LLMock } from "@copilotkit/aimock";

/** How long an answer takes, in milliseconds: long enough to tell a miss from a hit by eye. */
export const LATENCY = 1200;

const WORDS = 12;

/**
 * The answer to a prompt; always the same for the same prompt.
 * @param {string} prompt
 */
export function demoAnswer(prompt) {
  // "Summarize in one sentence: hello" is about "hello".
  const [before] = /^[^:\n]{1,80}:\s+/.exec(prompt) ?? [""];
  const language = /^Translate into (.+):/.exec(before)?.[1];
  const words = prompt.slice(before.length).split(/\s+/).filter(Boolean);
  const made = language ? `A translation into ${language} of` : "One sentence about";
  if (words.length === 0) return `[demo model] ${made} nothing at all.`;
  const start = words.slice(0, WORDS).join(" ");
  return `[demo model] ${made}: ${start}${words.length > WORDS ? " …" : ""}`;
}

/** The text of the last message of the user. @param {{role: string, content: unknown}[]} messages */
function lastPrompt(messages) {
  const content = messages.findLast(({ role }) => role === "user")?.content ?? "";
  if (typeof content === "string") return content;
  return Array.isArray(content) ? content.map((part) => part?.text ?? "").join(" ") : "";
}

/**
 * Starts the demo model on a free port of 127.0.0.1.
 * @returns {Promise<{url: string, stop: () => Promise<void>}>} its base URL, as in OPENAI_URL
 */
export async function startDemoModel() {
  const server = new LLMock({ host: "127.0.0.1", port: 0, journalMaxEntries: 10 });
  server.on({ predicate: () => true }, async ({ messages }) => {
    await sleep(LATENCY);
    return { content: demoAnswer(lastPrompt(messages)) };
  });
  await server.start();
  return { url: `http://127.0.0.1:${server.port}/v1`, stop: () => server.stop() };
}
