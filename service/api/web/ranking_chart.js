// Scores by rank, with a whisker for each interval. One path holds all whiskers and one all dots: ten thousand
// architectures stay quick.
import { element, svg } from "./dom.js";
import { linear, logTicks, short, ticks } from "./scale.js";

const HEIGHT = 260, LEFT = 52, RIGHT = 12, TOP = 28, BOTTOM = 36;
// Values that span more than this can be looked at in logarithms.
const LOG_FROM = 8;

export class RankingChart {
  /**
   * @param {{rank: number, index: number, score: number, value?: number, interval?: number[]}[]} rows by rank
   * @param {string} title what the height is
   * @param {(row: object) => string} nameOf
   * @param {(row: object) => void} onOpen called with the row that is chosen (click, Enter)
   */
  constructor(rows, title, nameOf, onOpen) {
    Object.assign(this, { rows, title, nameOf, onOpen, at: -1 });
    this.hasValues = rows.every((row) => typeof row.value === "number");
    this.heightOf = (row) => (this.hasValues ? row.value : row.score);
    this.hint = "Point at a dot, or use the arrow keys; Enter opens the architecture.";
    this.status = element("p", this.hint, { class: "small quiet readout", "aria-live": "polite" });
    this.place = element("div", "", {
      class: "plot", tabindex: "0", role: "application", "aria-roledescription": "chart", "aria-label": this.summary(),
    });
    this.isLog = false;
    this.root = element("figure", "", { class: "ranking-chart" }, ...this.logChoice(), this.place, element("figcaption", "", {}, this.status));
    new ResizeObserver(([entry]) => this.draw(entry.contentRect.width)).observe(this.place);
    this.listen();
  }

  get ends() {
    return this.rows.flatMap((row) => [this.heightOf(row), ...(this.hasValues && row.interval ? row.interval : [])]);
  }

  logChoice() {
    const lowest = this.ends.reduce((a, b) => Math.min(a, b)), highest = this.ends.reduce((a, b) => Math.max(a, b));
    if (!(lowest > 0 && highest / lowest >= LOG_FROM)) return [];
    const box = element("input", "", { type: "checkbox" });
    box.addEventListener("change", () => {
      this.isLog = box.checked;
      const { width } = this;
      this.width = 0;
      this.draw(width);
    });
    return [element("label", "", { class: "check small" }, box, "Logarithmic")];
  }

  summary() {
    const { rows } = this, last = rows[rows.length - 1];
    return `${this.title} by rank, ${rows.length} architectures, from ${short(this.heightOf(rows[0]))} to ${short(this.heightOf(last))}`;
  }

  listen() {
    const { place } = this;
    place.addEventListener("pointermove", (event) => this.mark(this.nearest(event)));
    place.addEventListener("pointerleave", () => this.mark(-1));
    place.addEventListener("click", (event) => this.onOpen(this.rows[this.nearest(event)]));
    place.addEventListener("keydown", (event) => {
      const last = this.rows.length - 1;
      const moves = {
        ArrowRight: Math.min(last, this.at + 1), ArrowLeft: Math.max(0, this.at - 1), Home: 0, End: last,
        PageDown: Math.min(last, this.at + 10), PageUp: Math.max(0, this.at - 10),
      };
      if (event.key in moves) this.mark(moves[event.key]);
      else if (event.key === "Enter" && this.at >= 0) this.onOpen(this.rows[this.at]);
      else if (event.key === "Escape") this.mark(-1);
      else return;
      event.preventDefault();
    });
  }

  nearest(event) {
    const left = event.clientX - this.place.getBoundingClientRect().left;
    const share = (left - this.x(1)) / (this.x(this.rows.length) - this.x(1) || 1);
    return Math.min(this.rows.length - 1, Math.max(0, Math.round(share * (this.rows.length - 1))));
  }

  draw(width) {
    if (!width || width === this.width) return;
    this.width = width;
    const { rows } = this;
    const { ends } = this, lowest = ends.reduce((a, b) => Math.min(a, b)), highest = ends.reduce((a, b) => Math.max(a, b));
    const scale = this.isLog ? Math.log10 : (value) => value;
    const margin = (scale(highest) - scale(lowest)) * 0.04 || Math.abs(highest) * 0.1 || 1;
    const range = [scale(lowest) - margin, scale(highest) + margin], onScale = linear(range, [HEIGHT - BOTTOM, TOP]);
    this.x = linear([1, rows.length], rows.length > 1 ? [LEFT + 8, width - RIGHT - 8] : [width / 2, width / 2]);
    this.y = (value) => onScale(scale(value));
    this.marker = svg("circle", { r: 5, class: "marker", visibility: "hidden" });
    this.place.replaceChildren(svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true" },
      ...this.axes(range), this.whiskers(), this.dots(), this.marker));
    this.mark(this.at);
  }

  axes(range) {
    const { x, y, width, rows } = this;
    const text = (content, attributes) => {
      const made = svg("text", attributes);
      made.textContent = content;
      return made;
    };
    const values = this.isLog ? logTicks(range.map((power) => 10 ** power)) : ticks(...range, 5);
    const lines = values.flatMap((value) => [
      svg("path", { d: `M${LEFT} ${y(value)}H${width - RIGHT}`, class: "grid" }),
      text(short(value), { x: LEFT - 6, y: y(value), class: "tick", "text-anchor": "end", "dominant-baseline": "middle" }),
    ]);
    const ranks = [1, ...ticks(1, rows.length, width < 500 ? 4 : 8).filter((rank) => Number.isInteger(rank) && rank > 1)];
    const below = ranks.map((rank) => text(String(rank), { x: x(rank), y: HEIGHT - BOTTOM + 15, class: "tick", "text-anchor": "middle" }));
    return [...lines, ...below,
      text("rank", { x: width - RIGHT, y: HEIGHT - 4, class: "tick", "text-anchor": "end" }),
      text(this.title, { x: 4, y: 14, class: "tick axis-title" })];
  }

  whiskers() {
    const { x, y } = this;
    const parts = this.hasValues ? this.rows.filter((row) => row.interval) : [];
    return svg("path", { d: parts.map((row) => `M${x(row.rank).toFixed(1)} ${y(row.interval[0]).toFixed(1)}V${y(row.interval[1]).toFixed(1)}`).join(""), class: "whiskers" });
  }

  // A dot is a line of no length with a round end.
  dots() {
    const { x, y } = this;
    return svg("path", {
      d: this.rows.map((row) => `M${x(row.rank).toFixed(1)} ${y(this.heightOf(row)).toFixed(1)}h0`).join(""),
      class: "dots", "stroke-width": this.rows.length > 1000 ? 3 : this.rows.length > 200 ? 4 : 6,
    });
  }

  mark(index) {
    this.at = index;
    const row = this.rows[index];
    this.marker?.setAttribute("visibility", row ? "visible" : "hidden");
    if (!row) {
      this.status.textContent = this.hint;
      return;
    }
    this.marker?.setAttribute("cx", this.x(row.rank));
    this.marker?.setAttribute("cy", this.y(this.heightOf(row)));
    const numbers = [`score ${short(row.score)}`];
    const interval = row.interval ? ` (${row.interval.map((end) => short(end)).join(" to ")})` : "";
    if (this.hasValues) numbers.unshift(`${short(row.value)}${interval}`);
    this.status.textContent = `${row.rank}. ${this.nameOf(row)}: ${numbers.join(", ")}`;
  }
}
