/** The panel for answers that no view can do without: no key yet, a refused one, no Worker. */
import { byId, markField } from "../js/dom.js";

/** A header value is printable ASCII; fetch refuses the rest with an error that helps nobody. */
const KEY_FORM = /^[\x21-\x7e]+$/;

/**
 * @param {object} shared
 * @param {import("../js/api.js").Api} shared.api
 * @param {() => Promise<void>} shared.reload
 */
export function mountAccess({ api, reload }) {
  const panel = byId("access");
  const form = byId("access-form");
  const field = byId("access-key");
  const fieldError = byId("access-error");

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const key = field.value.trim();
    if (!KEY_FORM.test(key)) {
      const what = key === "" ? "Enter a key first." : "A key has printable ASCII characters only.";
      markField(field, fieldError, what);
      field.focus();
      return;
    }
    field.value = "";
    useKey(key);
    reload();
  });
  byId("key-forget").addEventListener("click", () => {
    useKey(null);
    reload();
  });
  byId("access-retry").addEventListener("click", () => reload());

  /** @param {string | null} key */
  function useKey(key) {
    api.useKey(key);
    byId("key-in-use").hidden = key === null;
  }

  return {
    /**
     * Shows what the Worker said, with a field for the key where a key is what is missing.
     *
     * @param {import("../js/api.js").Problem} problem
     */
    show(problem) {
      const refused = problem.status === 401 && api.hasKey;
      if (refused) {
        useKey(null);
      }
      markField(field, fieldError, "");
      byId("access-title").textContent = titleFor(problem, refused);
      byId("access-detail").textContent = problem.detail;
      byId("access-code").textContent = problem.status
        ? `HTTP ${problem.status}, ${problem.code}`
        : problem.code;
      form.hidden = !problem.isAboutKeys();
      // A 401 is mended with a key; the rest is mended elsewhere and then tried again.
      byId("access-retry-row").hidden = problem.status === 401;
      panel.hidden = false;
      if (refused) {
        field.focus();
      }
    },
    hide() {
      panel.hidden = true;
    },
    get isOpen() {
      return !panel.hidden;
    },
  };
}

function titleFor(problem, refused) {
  if (problem.status === 401) {
    return refused ? "This key was not accepted" : "This Worker asks for an API key";
  }
  return problem.title;
}
