/** The Worker's HTTP API, as the page uses it. */

/** The Worker bounds its own work; this only keeps the page from waiting on a dead connection. */
const PATIENCE_MS = 120_000;

/**
 * An answer that is not a run: RFC 9457 problem details, or what stands in for them when the answer
 * did not come from the Worker at all (`code` is then "network" or "unexpected-answer").
 */
export class Problem extends Error {
  /** @param {{status: number, code: string, title: string, detail: string}} parts */
  constructor({ status, code, title, detail }) {
    super(detail);
    this.name = "Problem";
    this.status = status;
    this.code = code;
    this.title = title;
    this.detail = detail;
  }

  /** True where another API key, or the first one, is what the caller needs. */
  isAboutKeys() {
    return this.status === 401 || this.code === "api-keys-missing";
  }
}

/**
 * @typedef {object} Answer a run's answer: its RunnableResult and what HTTP said around it
 * @property {number} httpStatus
 * @property {any} result
 * @property {string | null} cacheStatus the Cache-Status header
 * @property {string | null} serverTiming the Server-Timing header
 */

export class Api {
  /** The key lives in this field and nowhere else: not in storage, not in the document. */
  #key = null;

  get hasKey() {
    return this.#key !== null;
  }

  /** @param {string | null} key */
  useKey(key) {
    this.#key = key;
  }

  /** @returns {Promise<Array<{id: string, name: string, type: string, model: string | null, input: string[], caching: boolean, key: string}>>} */
  async nodes() {
    const { response, body } = await this.#call("/v1/nodes", {});
    if (!response.ok || !Array.isArray(body?.nodes)) {
      throw problemFrom(response, body);
    }
    return body.nodes;
  }

  /**
   * Runs a node. A failed run is an answer like any other; everything else that is not a
   * RunnableResult is thrown as a {@link Problem}.
   *
   * @param {string} id
   * @param {object} request
   * @returns {Promise<Answer>}
   */
  async run(id, request) {
    const { response, body } = await this.#call(runPath(id), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request),
    });
    if (typeof body?.status !== "string" || !("output" in body)) {
      throw problemFrom(response, body);
    }
    return {
      httpStatus: response.status,
      result: body,
      cacheStatus: response.headers.get("cache-status"),
      serverTiming: response.headers.get("server-timing"),
    };
  }

  async #call(path, init) {
    const headers = new Headers(init.headers);
    if (this.#key !== null) {
      headers.set("x-edgememo-api-key", this.#key);
    }
    let response;
    let text;
    try {
      response = await fetch(path, {
        ...init,
        headers,
        cache: "no-store",
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      text = await response.text();
    } catch (error) {
      throw new Problem({
        status: 0,
        code: "network",
        title: "No answer",
        detail:
          error instanceof DOMException && error.name === "TimeoutError"
            ? `The Worker did not answer within ${PATIENCE_MS / 1000} seconds.`
            : "The Worker could not be reached. Is it running, and is this device online?",
      });
    }
    return { response, body: parseOrNull(text) };
  }
}

/** @param {string} id */
export function runPath(id) {
  return `/v1/nodes/${encodeURIComponent(id)}/run`;
}

function parseOrNull(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function problemFrom(response, body) {
  if (typeof body?.code === "string") {
    return new Problem({
      status: response.status,
      code: body.code,
      title: body.title ?? `HTTP ${response.status}`,
      detail: body.detail ?? "",
    });
  }
  return new Problem({
    status: response.status,
    code: "unexpected-answer",
    title: "Unexpected answer",
    detail: `HTTP ${response.status} came without the JSON that this page expects.`,
  });
}
