// A line chart of one measurement, as SVG.
import { element, svg } from "./dom.js";
import { linear, short, ticks } from "./scale.js";

const WIDTH = 300, HEIGHT = 130, LEFT = 40, RIGHT = 8, TOP = 8, BOTTOM = 18;
const MOST_POINTS = 260;

const thinned = (points) => (points.length <= MOST_POINTS ? points
  : Array.from({ length: MOST_POINTS }, (_, i) => points[Math.floor((i * (points.length - 1)) / (MOST_POINTS - 1))]));

function label(content, attributes) {
  const made = svg("text", { class: "tick", ...attributes });
  made.textContent = content;
  return made;
}

/**
 * @param {string} title
 * @param {[number, number][]} points in order; thinned to what can be seen
 * @returns {HTMLElement}
 */
export function lineChart(title, points) {
  const thin = thinned(points);
  const xs = thin.map(([x]) => x), ys = thin.map(([, y]) => y);
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const margin = (high - low) * 0.05 || Math.abs(high) * 0.1 || 1;
  const x = linear([left, right], [LEFT, WIDTH - RIGHT]), y = linear([low - margin, high + margin], [HEIGHT - BOTTOM, TOP]);
  const [lastX, lastY] = thin[thin.length - 1];
  const lines = ticks(low - margin, high + margin, 3).flatMap((value) => [
    svg("path", { d: `M${LEFT} ${y(value).toFixed(1)}H${WIDTH - RIGHT}`, class: "grid" }),
    label(short(value), { x: LEFT - 4, y: y(value).toFixed(1), "text-anchor": "end", "dominant-baseline": "middle" }),
  ]);
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: from ${short(thin[0][1])} to ${short(lastY)}` },
    ...lines,
    label(short(left), { x: LEFT, y: HEIGHT - 4 }),
    label(short(right), { x: WIDTH - RIGHT, y: HEIGHT - 4, "text-anchor": "end" }),
    svg("polyline", { points: thin.map((point) => `${x(point[0]).toFixed(1)},${y(point[1]).toFixed(1)}`).join(" "), class: "curve" }),
    svg("circle", { cx: x(lastX).toFixed(1), cy: y(lastY).toFixed(1), r: 3, class: "now" }));
  return element("figure", "", { class: "chart" }, element("figcaption", "", {}, element("strong", title), ` ${short(lastY)}`), picture);
}
