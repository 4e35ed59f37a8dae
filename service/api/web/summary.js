// What an answer is, above its details.
import { copyButton } from "./copy.js";
import { count, duration, element, facts, svg } from "./dom.js";

const STAGE_COLOURS = 8;
const SHARES = [["predicted", "predicted", "kind-conv"], ["tiled", "tiled copies of predicted values", "kind-pool"], ["standard", "standard initialisation", "kind-bias"]];

const numel = (shape) => shape.reduce((product, length) => product * length, 1);

/** How many numbers come from where: a block that is repeated to fill a tensor was predicted once. */
export function sharesOf(parameters, blocks) {
  const shares = { predicted: 0, tiled: 0, standard: 0 };
  for (const { shape, block, provenance } of parameters) {
    const whole = numel(shape);
    if (provenance === "defaulted") {
      shares.standard += whole;
      continue;
    }
    const own = Math.min(whole, numel(blocks[block].shape));
    shares.predicted += own;
    shares.tiled += whole - own;
  }
  return shares;
}

const percent = (share) => (share > 0 && share < 0.01 ? "under 1%" : share < 1 && share > 0.99 ? "over 99%" : `${Math.round(100 * share)}%`);

// Parts of a whole as one line, each as long as its share.
function stripe(parts) {
  const total = parts.reduce((sum, { value }) => sum + value, 0) || 1;
  const picture = svg("svg", { viewBox: "0 0 100 4", preserveAspectRatio: "none", class: "stripe", "aria-hidden": "true" });
  let at = 0;
  for (const { value, className } of parts) {
    picture.append(svg("rect", { x: at, y: 0, width: (value / total) * 100, height: 4, class: className }));
    at += (value / total) * 100;
  }
  const words = parts.map(({ text, className }) => element("li", "", {}, element("span", "", { class: `swatch ${className}` }), text));
  return element("div", "", {}, picture, element("ul", "", { class: "legend" }, ...words));
}

export class Summary {
  /** @param {object} answer @param {HTMLElement[]} actions */
  constructor({ network, result, description, waited }, actions) {
    this.shares = element("div", "", { class: "shares" }, element("span", "reading the answer", { class: "quiet" }));
    const rows = [["Parameters", `${count(result.num_parameters)} in ${count(result.num_tensors)} tensors${result.complete ? ", complete" : ", not complete"}`]];
    if (description?.input_shape.length) rows.push(["Input", description.input_shape.join(" × ")]);
    rows.push(["Values", this.shares]);
    if (result.defaulted.length) rows.push(["Standard", this.defaulted(result.defaulted)]);
    rows.push(["Model", element("a", result.model, { href: `#models/${result.model}` })]);
    this.root = element("div", "", {}, element("div", "", { class: "answer-head" }, element("h2", network.name, { tabindex: "-1" }), element("div", "", { class: "bar" }, ...actions)),
      ...this.notes(result.notes), facts(rows), this.details(result, waited));
  }

  notes(notes) {
    if (!Array.isArray(notes) || !notes.length) return [];
    return [element("ul", "", { class: "notes" }, ...notes.map((note) => element("li", typeof note === "string" ? note : note.detail || JSON.stringify(note))))];
  }

  defaulted(names) {
    const fold = element("details", "", {}, element("summary", `${count(names.length)} tensors hold the standard initialisation`));
    fold.append(element("p", names.join(", "), { class: "small" }));
    return fold;
  }

  details(result, waited) {
    const stages = Object.entries(result.timings_ms).filter(([name]) => name !== "total");
    const timings = stripe(stages.map(([name, ms], i) => ({ value: ms, text: `${name} ${duration(ms)}`, className: `stage-${i % STAGE_COLOURS}` })));
    const digest = element("span", "", { class: "bar" }, element("code", result.digest), copyButton(() => result.digest));
    const rows = [["Digest", digest], ["Computed in", timings]];
    if (waited) rows.unshift(["Answer", result.cached ? `known before, found in ${duration(waited)}` : `computed, in ${duration(waited)} with the way here and back`]);
    return element("details", "", { class: "more-facts" }, element("summary", "Details"), facts(rows));
  }

  showShares(parameters, blocks) {
    const shares = sharesOf(parameters, blocks), total = Object.values(shares).reduce((sum, value) => sum + value, 0) || 1;
    const parts = SHARES.filter(([name]) => shares[name]).map(([name, title, className]) => ({ value: shares[name], text: `${percent(shares[name] / total)} ${title}`, className }));
    this.shares.replaceChildren(stripe(parts));
  }
}
