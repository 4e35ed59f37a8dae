// What an answer is, above its details.
import { copyButton } from "./copy.js";
import { count, duration, element, facts, svg } from "./dom.js";

const STAGE_COLOURS = 8;
const SHARES = [["predicted", "predicted", "kind-conv"], ["tiled", "tiled from smaller predictions", "kind-pool"], ["defaulted", "standard initialisation", "kind-bias"]];

/** A share of 0 to 1 in percent, never 0% of something nor 100% of less than all. */
export function percent(share) {
  const value = 100 * share;
  if (value > 0 && value < 1) return `${Number(value.toPrecision(2))}%`;
  if (value > 99 && value < 100) return value < 99.95 ? `${value.toFixed(1)}%` : ">99.9%";
  return `${Math.round(value)}%`;
}

// Where an answer's numbers come from, by share.
function origins(numbers) {
  const total = Object.values(numbers).reduce((sum, value) => sum + value, 0) || 1;
  const parts = SHARES.filter(([name]) => numbers[name]);
  return stripe(parts.map(([name, title, className]) => ({ value: numbers[name], text: `${percent(numbers[name] / total)} ${title}`, className })));
}

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
    const rows = [["Parameters", `${count(result.num_parameters)} in ${count(result.num_tensors)} tensors${result.complete ? ", complete" : ", not complete"}`]];
    if (description?.input_shape.length) rows.push(["Input", description.input_shape.join(" × ")]);
    rows.push(["Values", origins(result.numbers)]);
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
}
