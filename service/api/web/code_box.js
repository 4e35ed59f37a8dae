// Code to copy, one tab a language.
import { copyButton } from "./copy.js";
import { element } from "./dom.js";

let boxes = 0;

/** @param {string} title @param {Record<string, string>} texts by the name of the tab @returns {HTMLElement} */
export function codeBox(title, texts) {
  boxes += 1;
  const names = Object.keys(texts);
  const code = element("pre", "", { id: `code-${boxes}`, role: "tabpanel", tabindex: "0" });
  const tabs = names.map((name) => element("button", name, { type: "button", role: "tab", "aria-controls": code.id }));
  let shown = names[0];
  const show = (name) => {
    shown = name;
    code.textContent = texts[name];
    tabs.forEach((tab, i) => {
      tab.setAttribute("aria-selected", String(names[i] === name));
      tab.tabIndex = names[i] === name ? 0 : -1;
    });
  };
  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => show(names[i]));
    tab.addEventListener("keydown", ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (!step) return;
      const next = (i + step + names.length) % names.length;
      show(names[next]);
      tabs[next].focus();
    });
  });
  show(shown);
  const bar = element("div", "", { class: "code-bar" }, element("div", "", { role: "tablist", "aria-label": title }, ...tabs), copyButton(() => texts[shown]));
  return element("div", "", { class: "code-box" }, bar, code);
}
