/**
 * The page's entry. It owns what every view shares (the API client and the access panel) and mounts
 * the views. A view is a module in views/ with one `mount…(shared)` function and one
 * `<section class="view">` in index.html; it returns `load()`, called at start and whenever the
 * caller's key changes.
 *
 * Two rules keep the strict Content-Security-Policy of _headers possible: text reaches the document
 * through textContent only, and no script or style is inline.
 */
import { Api } from "./js/api.js";
import { mountAccess } from "./views/access.js";
import { mountRun } from "./views/run.js";

const api = new Api();
const access = mountAccess({ api, reload });
const views = [mountRun({ api, access })];

/** Loads every view anew: at start, and after the key or the Worker's settings have changed. */
async function reload() {
  await Promise.all(views.map((view) => view.load()));
}

reload();
