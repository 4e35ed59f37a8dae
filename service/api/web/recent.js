// Networks that were looked at, kept in this browser alone.
import { element } from "./dom.js";

const STORED = "weightcast-recent";
const MOST = 6;

function kept() {
  try {
    const entries = JSON.parse(localStorage.getItem(STORED) || "[]");
    return Array.isArray(entries) ? entries.filter((entry) => typeof entry?.name === "string" && typeof entry?.hash === "string") : [];
  } catch {
    return [];
  }
}

function keep(entries) {
  try {
    localStorage.setItem(STORED, JSON.stringify(entries));
  } catch {
    // Where a browser keeps nothing for pages there is no list.
  }
}

/** @param {HTMLElement} place */
export function showRecent(place) {
  const entries = kept();
  place.hidden = !entries.length;
  const clear = element("button", "Clear", { type: "button", class: "link small" });
  clear.addEventListener("click", () => { keep([]); showRecent(place); });
  place.replaceChildren(element("span", "Recent:", { class: "quiet" }),
    ...entries.map(({ name, hash }) => element("a", name, { href: `#${hash}`, class: "chip" })), clear);
}

/** @param {HTMLElement} place @param {string} name @param {string} hash of the address */
export function remember(place, name, hash) {
  keep([{ name, hash }, ...kept().filter((entry) => entry.hash !== hash)].slice(0, MOST));
  showRecent(place);
}
