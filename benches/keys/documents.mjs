// The texts over which keys are measured. The same on every machine and in every run.

/** A small generator of numbers, so that the texts are the same every time. */
function numbers(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const WORDS =
  "the a model answers what is asked of it and no more than that while a cache remembers each call once made so that nobody pays twice for one thought".split(
    " ",
  );

const ENDS = [
  ...Array(24).fill(""),
  ...Array(6).fill(","),
  ...Array(5).fill("."),
  ".\n\n",
  ' "quoted"',
  " naïve",
  " façade",
];

/** Some sentences, with the punctuation, line breaks, quotes and accents of real ones. */
function prose(random, length) {
  const parts = [];
  let written = 0;
  while (written < length) {
    const word = WORDS[random(WORDS.length)];
    const end = ENDS[random(ENDS.length)];
    parts.push(word + end);
    written += word.length + end.length + 1;
  }
  return parts.join(" ").slice(0, length);
}

/** A request to a chat model, with what applications put beside the messages. */
function chat(random, messages, length) {
  const roles = ["assistant", "user"];
  return {
    model: "gpt-4o-mini",
    temperature: 0.7,
    top_p: 0.95,
    max_tokens: 1024,
    stream: false,
    seed: 42,
    stop: ["\n\n", "END"],
    messages: Array.from({ length: messages }, (_, index) => ({
      role: index === 0 ? "system" : roles[index % 2],
      content: prose(random, length),
      name: `participant_${random(4)}`,
      metadata: {
        id: `msg_${index}`,
        sent: { at: 1763800000 + 17 * index, zone: "UTC" },
        score: random(1000) / 1000,
        tags: ["draft", null, random(2) === 0],
      },
    })),
    tools: ["search", "fetch", "calculate"].map((name) => ({
      type: "function",
      function: {
        name,
        description: prose(random, 80),
        parameters: {
          type: "object",
          properties: {
            query: { type: "string", description: prose(random, 40) },
            limit: { type: "integer", minimum: 1, maximum: 100 },
            options: { type: "object", properties: { exact: { type: "boolean" } } },
          },
          required: ["query"],
          additionalProperties: false,
        },
      },
    })),
    user: { id: "u-1842", session: { id: "s-77", started: 1763800000, flags: [true, null] } },
  };
}

/** @returns {{id: string, name: string, text: string}[]} */
export function documents() {
  const random = numbers(1);
  const prompt = { text: prose(random, 185) };
  const request = chat(random, 40, 170);
  const large = { conversations: [] };
  while (JSON.stringify(large.conversations.at(-1) ?? "").length * large.conversations.length < 5e6)
    large.conversations.push(chat(random, 40, 170));
  return [
    { id: "prompt", name: "prompt, 200 B", text: JSON.stringify(prompt) },
    { id: "chat", name: "chat, 15 KB", text: JSON.stringify(request) },
    { id: "large", name: "document, 5 MB", text: JSON.stringify(large) },
  ];
}
