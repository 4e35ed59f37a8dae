// The API key: asked for when the service wants one, and kept for as long as this tab is open.
import { setKey } from "./api.js";

const STORED = "weightcast-key";

// Where a browser keeps nothing for pages, the key lasts until the page is left.
function stored(change) {
  try {
    return change(sessionStorage);
  } catch {
    return null;
  }
}

/** @returns {string} "" for none */
export const keptKey = () => stored((kept) => kept.getItem(STORED)) || "";
/** @param {string} key */
export const keepKey = (key) => stored((kept) => kept.setItem(STORED, key));

/**
 * @param {HTMLFormElement} form hidden while no key is wanted
 * @param {HTMLElement} said
 * @param {() => void} onKey told of a key that was just entered
 */
export function setUpKey(form, said, onKey) {
  const { key } = form.elements;
  setKey(keptKey());
  document.addEventListener("key-wanted", ({ detail: problem }) => {
    said.textContent = problem.message;
    if (!form.hidden) return;
    form.hidden = false;
    key.focus();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    setKey(key.value.trim());
    keepKey(key.value.trim());
    key.value = "";
    form.hidden = true;
    onKey();
  });
}
