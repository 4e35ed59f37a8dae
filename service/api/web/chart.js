// Several lines in one chart, with a legend, and the values under the pointer.
import { element, svg } from "./dom.js";
import { linear, short, ticks } from "./scale.js";

const HEIGHT = 210, LEFT = 46, RIGHT = 12, TOP = 12, BOTTOM = 34;
const MOST_POINTS = 400;

/**
 * colour: 0 to 5. isDashed: drawn with gaps.
 * @typedef {{name: string, points: [number, number][], colour: number, isDashed?: boolean}} Line
 */

const thinned = (points) => (points.length <= MOST_POINTS ? points
  : Array.from({ length: MOST_POINTS }, (_, i) => points[Math.floor((i * (points.length - 1)) / (MOST_POINTS - 1))]));

function label(content, attributes) {
  const made = svg("text", { class: "tick", ...attributes });
  made.textContent = content;
  return made;
}

// The last point at or before x, the first one where there is none.
function pointAt(points, x) {
  let found = points[0];
  for (const point of points) {
    if (point[0] > x) break;
    found = point;
  }
  return found;
}

export class LineChart {
  /** @param {string} title @param {string} xTitle what the points are taken over @param {Line[]} lines with points in order */
  constructor(title, xTitle, lines) {
    Object.assign(this, { title, xTitle, lines: lines.map((line) => ({ ...line, points: thinned(line.points) })) });
    this.place = element("div", "", { class: "plot-lines", tabindex: "0", role: "img", "aria-label": this.summary() });
    this.values = this.lines.map(() => element("span", "", { class: "value" }));
    const items = this.lines.map(({ name, colour, isDashed }, i) => element("li", "", {},
      svg("svg", { viewBox: "0 0 22 6", class: "key", "aria-hidden": "true" }, svg("path", { d: "M0 3H22", class: `line line-${colour}${isDashed ? " dashed" : ""}` })), name || title, " ", this.values[i]));
    this.where = element("span", "", { class: "quiet" });
    this.root = element("figure", "", { class: "chart" }, element("figcaption", "", {}, element("strong", title), " ", this.where), this.place, element("ul", "", { class: "legend" }, ...items));
    new ResizeObserver(([entry]) => this.draw(entry.contentRect.width)).observe(this.place);
    this.place.addEventListener("pointermove", (event) => this.mark(this.nearest(event)));
    this.place.addEventListener("pointerleave", () => this.mark(null));
    this.place.addEventListener("keydown", (event) => this.key(event));
    this.mark(null);
  }

  summary() {
    return this.lines.map(({ name, points }) => `${[this.title, name].filter(Boolean).join(", ")}: from ${short(points[0][1])} to ${short(points[points.length - 1][1])}`).join("; ");
  }

  get xs() { return [...new Set(this.lines.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b); }

  nearest(event) {
    const wanted = event.clientX - this.place.getBoundingClientRect().left;
    return this.xs.reduce((best, x) => (Math.abs(this.x(x) - wanted) < Math.abs(this.x(best) - wanted) ? x : best));
  }

  key(event) {
    const { xs } = this, at = xs.indexOf(this.at);
    const next = { ArrowRight: Math.min(xs.length - 1, at + 1), ArrowLeft: Math.max(0, at - 1), Home: 0, End: xs.length - 1 }[event.key];
    if (event.key === "Escape") this.mark(null);
    else if (next === undefined) return;
    else this.mark(xs[next]);
    event.preventDefault();
  }

  draw(width) {
    if (!width || width === this.width) return;
    this.width = width;
    const all = this.lines.flatMap(({ points }) => points), ys = all.map(([, y]) => y), { xs } = this;
    const low = ys.reduce((a, b) => Math.min(a, b)), high = ys.reduce((a, b) => Math.max(a, b)), margin = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
    this.x = linear([xs[0], xs[xs.length - 1]], xs.length > 1 ? [LEFT, width - RIGHT] : [width / 2, width / 2]);
    this.y = linear([low - margin, high + margin], [HEIGHT - BOTTOM, TOP]);
    const { x, y } = this;
    const rows = ticks(low - margin, high + margin, 4).flatMap((value) => [
      svg("path", { d: `M${LEFT} ${y(value).toFixed(1)}H${width - RIGHT}`, class: "grid" }),
      label(short(value), { x: LEFT - 6, y: y(value).toFixed(1), "text-anchor": "end", "dominant-baseline": "middle" })]);
    const columns = ticks(xs[0], xs[xs.length - 1], width < 380 ? 4 : 6).map((value) => label(short(value), { x: x(value).toFixed(1), y: HEIGHT - BOTTOM + 15, "text-anchor": "middle" }));
    const shapes = this.lines.map(({ points, colour, isDashed }) => svg("polyline", {
      points: points.map((point) => `${x(point[0]).toFixed(1)},${y(point[1]).toFixed(1)}`).join(" "), class: `line line-${colour}${isDashed ? " dashed" : ""}` }));
    const single = this.lines.filter(({ points }) => points.length === 1).map(({ points: [[px, py]], colour }) => svg("circle", { cx: x(px), cy: y(py), r: 3, class: `dot dot-${colour}` }));
    this.cursor = svg("path", { class: "cursor", visibility: "hidden" });
    this.dots = this.lines.map(({ colour }) => svg("circle", { r: 4, class: `dot dot-${colour}`, visibility: "hidden" }));
    this.place.replaceChildren(svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true" },
      ...rows, ...columns, label(this.xTitle, { x: width - RIGHT, y: HEIGHT - 4, "text-anchor": "end" }), this.cursor, ...shapes, ...single, ...this.dots));
    this.mark(this.at ?? null);
  }

  /** Show the values at x; the last ones for null. */
  mark(x) {
    this.at = x;
    this.where.textContent = x === null ? "" : `${this.xTitle} ${short(x)}`;
    const hidden = x === null ? "hidden" : "visible";
    this.cursor?.setAttribute("visibility", hidden);
    if (x !== null) this.cursor?.setAttribute("d", `M${this.x(x).toFixed(1)} ${TOP}V${HEIGHT - BOTTOM}`);
    this.lines.forEach(({ points }, i) => {
      const [px, py] = x === null ? points[points.length - 1] : pointAt(points, x);
      this.values[i].textContent = short(py);
      this.dots?.[i].setAttribute("visibility", hidden);
      if (x === null || !this.dots) return;
      this.dots[i].setAttribute("cx", this.x(px));
      this.dots[i].setAttribute("cy", this.y(py));
    });
  }
}
