// The Markdown of descriptions as elements: paragraphs, lists, code, emphasis, links. Nothing becomes HTML.
import { element } from "./dom.js";

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\(([^)\s]+)\)|(https?:\/\/[^\s)>,]+[^\s)>,.])/g;

/** @param {string} text one line @returns {(string | HTMLElement)[]} */
export function inline(text) {
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, strong, label, target, address] = match;
    parts.push(text.slice(at, match.index));
    if (code) parts.push(element("code", code));
    else if (strong) parts.push(element("strong", strong));
    // Only addresses: a text that comes from elsewhere names no script.
    else if (label) parts.push(/^(https?:|\/|#)/.test(target) ? element("a", label, { href: target }) : label);
    else parts.push(element("a", address, { href: address }));
    at = match.index + whole.length;
  }
  parts.push(text.slice(at));
  return parts.filter(Boolean);
}

/** @param {string} text @returns {HTMLElement[]} */
export function markdown(text) {
  const made = [];
  // Fences first: blank lines inside them end no paragraph.
  text.split(/^```\w*\n([\s\S]*?)^```\s*$/m).forEach((part, i) => {
    if (i % 2) {
      made.push(element("pre", part.replace(/\n$/, "")));
      return;
    }
    for (const block of part.split(/\n\s*\n/).map((each) => each.trim()).filter(Boolean)) {
      const lines = block.split("\n"), items = lines.filter((line) => /^\s*[-*] /.test(line));
      if (items.length && /^\s*[-*] /.test(lines[0])) {
        const whole = block.split(/\n?^\s*[-*] /m).filter(Boolean);
        made.push(element("ul", "", {}, ...whole.map((item) => element("li", "", {}, ...inline(item.replaceAll("\n", " "))))));
      } else made.push(element("p", "", {}, ...inline(lines.join(" "))));
    }
  });
  return made;
}
