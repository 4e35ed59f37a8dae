// How the values of a tensor are spread, beside He initialisation: small for a row, large for a closer look.
import { element, svg } from "./dom.js";
import { linear, short, ticks } from "./scale.js";
import { BINS, normalShares } from "./stats.js";

const SMALL = { width: 104, height: 26, joined: 3 };
const LARGE = { width: 600, height: 170, bottom: 20 };
// So much of He's bell is in the picture where the values themselves reach less far.
export const HE_REACH = 2.5;

const joined = (bins, by) => Array.from({ length: bins.length / by }, (_, i) => bins.slice(i * by, (i + 1) * by).reduce((a, b) => a + b));

/** Bars and the line of He. A line far above the bars is cut: what counts is where it is wide. */
function shapes(bins, line, { width, height }) {
  const step = width / bins.length, top = Math.max(...bins);
  const y = (share) => (height - Math.min(1.15, share / top) * (height - 3)).toFixed(1);
  const middle = (i) => ((i + 0.5) * step).toFixed(1);
  const bars = bins.map((share, i) => (share > 0 ? `M${middle(i)} ${height}V${y(share)}` : "")).join("");
  const made = [svg("path", { d: bars, class: "bars", "stroke-width": (step * 0.82).toFixed(2) })];
  if (line) made.push(svg("polyline", { points: line.map((share, i) => `${middle(i)},${y(share)}`).join(" "), class: "he" }));
  return made;
}

/** @param {import("./stats.js").Statistics} stats @param {number} he its standard deviation, 0 for none */
export function smallHistogram(stats, he) {
  const bins = joined(stats.bins, SMALL.joined);
  const line = he ? joined(normalShares(he, stats.reach), SMALL.joined) : null;
  return svg("svg", { viewBox: `0 0 ${SMALL.width} ${SMALL.height}`, class: "histogram", "aria-hidden": "true" }, ...shapes(bins, line, SMALL));
}

/** @param {import("./stats.js").Statistics} stats @param {number} he @param {string} name @returns {HTMLElement} */
export function largeHistogram(stats, he, name) {
  const { width, height, bottom } = LARGE;
  const x = linear([-stats.reach, stats.reach], [0, width]);
  const axis = ticks(-stats.reach * 0.95, stats.reach * 0.95, 6).flatMap((value) => {
    const text = svg("text", { x: x(value).toFixed(1), y: height - 4, class: "tick", "text-anchor": "middle" });
    text.textContent = short(value);
    return [svg("path", { d: `M${x(value).toFixed(1)} 0V${height - bottom}`, class: "grid" }), text];
  });
  const plot = { width, height: height - bottom };
  const said = [`${name}: ${BINS} intervals from ${short(-stats.reach)} to ${short(stats.reach)}`, `standard deviation ${short(stats.std)}`];
  if (he) said.push(`He initialisation ${short(he)}`);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": said.join(", "), class: "histogram large" },
    ...axis, ...shapes(stats.bins, he ? normalShares(he, stats.reach) : null, plot));
  const words = [`mean ${short(stats.mean)}`, `std ${short(stats.std)}`, `from ${short(stats.lowest)} to ${short(stats.highest)}`];
  if (stats.beyond) words.push(`${short(100 * stats.beyond, 2)} % of them outside the picture`);
  const key = [element("li", "", {}, element("span", "", { class: "swatch bars" }), `values: ${words.join(", ")}`)];
  if (he) {
    const times = `He initialisation: std ${short(he)}; the values have ${(stats.std / he).toFixed(2)} times that`;
    key.push(element("li", "", {}, element("span", "", { class: "swatch he" }), times));
  }
  return element("figure", "", { class: "closer" }, picture, element("ul", "", { class: "legend" }, ...key));
}
