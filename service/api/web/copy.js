// A button that copies a text.
import { element } from "./dom.js";

const SAID_MS = 1500;

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Only pages that came over TLS or from this machine have the clipboard; a selection can be copied everywhere.
  const area = element("textarea", text, { readonly: "", class: "unseen" });
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  return undefined;
}

/** @param {() => string} textOf @param {string} title @returns {HTMLButtonElement} */
export function copyButton(textOf, title = "Copy") {
  const button = element("button", title, { type: "button", class: "plain copy" });
  button.addEventListener("click", async () => {
    try {
      await copy(textOf());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => { button.textContent = title; }, SAID_MS);
  });
  return button;
}
