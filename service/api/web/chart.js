// A line chart of one measurement, as SVG.
import { element, svg } from "./dom.js";

const WIDTH = 260, HEIGHT = 90, MOST_POINTS = 260;

const short = (value) => (Number.isInteger(value) ? String(value) : value.toPrecision(3));

// points: [[x, y]] in order; thinned to what can be seen.
export function lineChart(title, points) {
  const thin = points.length <= MOST_POINTS ? points : Array.from({ length: MOST_POINTS }, (_, i) => points[Math.floor((i * (points.length - 1)) / (MOST_POINTS - 1))]);
  const xs = thin.map(([x]) => x), ys = thin.map(([, y]) => y);
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const place = ([x, y]) => `${(((x - left) / (right - left || 1)) * (WIDTH - 8) + 4).toFixed(1)},${(HEIGHT - 6 - ((y - low) / (high - low || 1)) * (HEIGHT - 12)).toFixed(1)}`;
  const last = thin[thin.length - 1];
  const [cx, cy] = place(last).split(",");
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: from ${short(thin[0][1])} to ${short(last[1])}` },
    svg("path", { d: `M0 ${HEIGHT - 1}H${WIDTH}`, class: "axis" }), svg("polyline", { points: thin.map(place).join(" "), class: "curve" }), svg("circle", { cx, cy, r: 3, class: "now" }));
  const caption = element("figcaption", "", {}, element("strong", title), ` ${short(last[1])} `, element("span", `${short(low)} to ${short(high)}, ${short(left)} to ${short(right)}`, { class: "quiet small" }));
  return element("figure", "", { class: "chart" }, caption, picture);
}
