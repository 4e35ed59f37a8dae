// Scores of a card as bars. Their makers write them in several forms.
import { count, element, svg } from "./dom.js";

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const isPair = (value) => Array.isArray(value) && value.length === 2 && value.every(isNumber);
const words = (name) => name.replace(/^kendall_tau_/, "Kendall's tau, ").replaceAll("_", " ");

/**
 * A bar from 0 to `most`, with a line for the interval or the spread and a mark for what chance gives.
 * @param {{title: string, value: number, most: number, text: string, low?: number, high?: number, chance?: number}} score
 */
function bar({ title, value, most, text, low, high, chance }) {
  const x = (number) => (100 * Math.max(0, Math.min(1, number / most))).toFixed(2);
  const parts = [svg("rect", { x: 0, y: 2, width: 100, height: 6, class: "score-ground" }), svg("rect", { x: 0, y: 2, width: x(value), height: 6, class: "score-bar" })];
  if (low !== undefined) parts.push(svg("path", { d: `M${x(low)} 5H${x(high)}M${x(low)} 1.5V8.5M${x(high)} 1.5V8.5`, class: "score-interval" }));
  if (chance !== undefined) parts.push(svg("path", { d: `M${x(chance)} 0V10`, class: "score-chance" }));
  const picture = svg("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" }, ...parts);
  return element("div", "", { class: "score" }, element("span", title, { class: "quiet small" }), picture, element("span", text, { class: "small" }));
}

const tau = (title, value, interval) => bar({
  title, value, most: 1, text: `tau ${value.toFixed(2)}${interval ? ` (${interval.map((end) => end.toFixed(2)).join(" to ")})` : ""}`,
  ...(interval ? { low: interval[0], high: interval[1] } : {}),
});

const percent = (title, { mean, stderr, n, networks, max, random_init_mean: chance }) => bar({
  title, value: mean, most: 100, text: [`${mean.toFixed(1)}%${isNumber(stderr) ? ` ± ${stderr.toFixed(1)}` : ""}`, (n || networks) && `mean of ${count(n || networks)} networks`,
    isNumber(max) && `best ${max.toFixed(1)}%`, isNumber(chance) && `untrained ${chance.toFixed(1)}%`].filter(Boolean).join(", "),
  ...(isNumber(stderr) ? { low: mean - stderr, high: mean + stderr } : {}), ...(isNumber(chance) ? { chance } : {}),
});

function figuresOf(title, score) {
  if (isNumber(score?.kendall_tau)) return [tau(title, score.kendall_tau, isPair(score.interval) ? score.interval : null)];
  if (isNumber(score?.mean)) return [percent(title, score)];
  if (score === null || typeof score !== "object") return [];
  // Several methods side by side: [mean, spread] of each.
  return Object.entries(score).filter(([, value]) => isPair(value)).sort((a, b) => b[1][0] - a[1][0])
    .map(([name, [value, spread]]) => tau(`${title}: ${name}`, value, [value - spread, value + spread]));
}

/** @param {object} scores of a card @returns {{figures: HTMLElement[], note: string}} */
export function scoresOf({ kendall_tau_cv: cross, interval, note = "", ...scores }) {
  const main = isNumber(cross) ? [tau("Kendall's tau, cross-validation", cross, isPair(interval) ? interval : null)] : [];
  const others = Object.entries(scores).map(([name, score]) => [name, figuresOf(words(name), score)]).filter(([, figures]) => figures.length);
  // One figure a score is shown; tables of methods are folded.
  const single = others.filter(([, figures]) => figures.length === 1).flatMap(([, figures]) => figures);
  const folded = others.filter(([, figures]) => figures.length > 1).map(([name, figures]) => element("details", "", { class: "small" }, element("summary", `${words(name)}, by method`), ...figures));
  const figures = [...main, ...single, ...folded];
  return { figures: figures.length ? figures : [element("p", "No scores were measured.", { class: "quiet small" })], note };
}
