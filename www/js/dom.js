/** The few things the views do with the document. */

/** @param {string} id an id that index.html has: a missing one is a mistake in the page */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) {
    throw new Error(`index.html has no element with the id ${id}`);
  }
  return element;
}

/** @param {string} id of a <template> with one element in it; returns a copy of that element */
export function stamp(id) {
  return byId(id).content.firstElementChild.cloneNode(true);
}

/**
 * Fills an element's `data-slot` places with text; a slot without text is hidden.
 *
 * @param {Element} root
 * @param {Record<string, string | null>} texts
 */
export function fill(root, texts) {
  for (const [slot, text] of Object.entries(texts)) {
    const place = root.querySelector(`[data-slot="${slot}"]`);
    place.textContent = text ?? "";
    place.hidden = !text;
  }
}

/** Says what is wrong with a field, or with an empty message that nothing is. */
export function markField(field, messagePlace, message) {
  messagePlace.textContent = message;
  if (message) {
    field.setAttribute("aria-invalid", "true");
  } else {
    field.removeAttribute("aria-invalid");
  }
}
