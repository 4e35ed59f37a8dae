// The primitive graph on a canvas: only what is in view is drawn, so that thousands of nodes stay quick.
import { colours, count, element } from "./dom.js";
import { edgesBetween, holders, openAtFirst, partsOf, shownParts } from "./folding.js";
import { drawGraph } from "./graph_drawing.js";
import { GraphPanel } from "./graph_panel.js";
import { BOX, LANE, layOut, STEP } from "./layout.js";
import { boxOf, KIND_TITLES, partSentence } from "./primitives.js";
import { saveText } from "./save.js";
import { SvgPen } from "./svg_pen.js";

const MOST_ZOOM = 3;
// A text of eleven units is read from here on.
const LEGIBLE_ZOOM = 0.62;
const FEWEST_BOXES = 5;
const FRAME = 9;
const COLOURS = ["ink", "quiet", "card", "paper", "line", "edge", "accent", "on-node", "kind-block", ...Object.keys(KIND_TITLES).map((kind) => `kind-${kind}`)];

export class GraphView {
  /** @param {object} description @param {(name: string) => void} onParameter told of a parameter that is to be shown */
  constructor(description, onParameter = () => {}) {
    this.nodes = description.nodes;
    this.name = description.name || "network";
    this.parts = partsOf(this.nodes);
    this.open = openAtFirst(this.parts, FEWEST_BOXES);
    this.chosen = this.pointed = -1;
    this.view = { x: 0, y: 0, zoom: 1 };
    this.panel = new GraphPanel({ parameters: [], ...description }, { goTo: (index) => this.goTo(index), toggle: (part) => this.toggle(part), showParameter: onParameter });
    this.canvas = element("canvas", "", { tabindex: "0", role: "application", "aria-roledescription": "graph", "aria-describedby": "graph-keys" });
    this.tip = element("div", "", { class: "tip", hidden: "" });
    this.status = element("p", "", { class: "node-status", "aria-live": "polite" });
    const keys = "Arrows: go along the graph. Enter: open a folded block, or show the parameter in the table. Escape: fold again. Plus, minus, 0: zoom. Drag to move; Ctrl and the wheel zoom.";
    this.root = element("div", "", { class: "graph" }, this.tools(),
      element("div", "", { class: "graph-field" }, element("div", "", { class: "graph-picture" }, this.canvas, this.tip), this.panel.root),
      this.status, element("p", keys, { id: "graph-keys", class: "quiet small" }));
    const edges = this.nodes.reduce((sum, node) => sum + node.inputs.length, 0);
    this.rest = `${count(this.nodes.length)} nodes, ${count(edges)} edges. Point at a box for its name and shape.`;
    this.canvas.setAttribute("aria-label", `Graph of ${this.rest}`);
    this.arrange();
    this.choose(-1);
    this.listen();
  }

  tools() {
    const button = (text, label, act) => {
      const made = element("button", text, { type: "button", class: "plain", "aria-label": label, title: label });
      made.addEventListener("click", act);
      return made;
    };
    this.search = element("input", "", { type: "search", placeholder: "Find a node by name", "aria-label": "Find a node by name", spellcheck: "false" });
    this.search.addEventListener("input", () => this.find(false));
    this.search.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); this.find(true); } });
    return element("div", "", { class: "bar graph-tools" }, this.search,
      button("Open all", "Open every folded block", () => this.fold(false)), button("Fold", "Fold blocks again", () => this.fold(true)),
      button("+", "Zoom in", () => this.zoomBy(1.5)), button("−", "Zoom out", () => this.zoomBy(1 / 1.5)), button("Fit", "Show all", () => this.fit()),
      button("SVG", "Save the picture as SVG", () => this.save()));
  }

  /** Boxes and their places, after a part was opened or folded. */
  arrange() {
    this.shown = shownParts(this.parts, this.open);
    this.edges = edgesBetween(this.nodes, this.shown);
    this.boxes = this.shown.map((part, i) => ({ ...boxOf(part, this.nodes), inputs: this.edges[i].inputs }));
    if (!this.width) return;
    this.place = layOut(this.edges, this.width / this.height);
    this.frames = this.framesOf(this.parts, 0);
  }

  framesOf(parts, depth) {
    const { x, y, row } = this.place;
    return parts.filter((part) => this.open.has(part)).flatMap((part) => {
      const margin = Math.max(2, FRAME - 2.5 * depth), rows = new Map();
      this.shown.forEach((each, i) => {
        if (each.from < part.from || each.to > part.to) return;
        const box = rows.get(row[i]) || { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
        rows.set(row[i], {
          left: Math.min(box.left, x[i] - BOX.width / 2 - margin), right: Math.max(box.right, x[i] + BOX.width / 2 + margin),
          top: Math.min(box.top, y[i] - BOX.height / 2 - margin - 7), bottom: Math.max(box.bottom, y[i] + BOX.height / 2 + margin),
        });
      });
      return [{ part, title: boxOf(part, this.nodes).title, rows: [...rows.values()] }, ...this.framesOf(part.parts, depth + 1)];
    });
  }

  toggle(part) {
    if (this.open.has(part)) this.open.delete(part);
    else this.open.add(part);
    this.arrange();
    this.fit();
    this.choose(this.shown.findIndex((each) => each.from === part.from), true);
  }

  fold(all) {
    this.open = all ? openAtFirst(this.parts, FEWEST_BOXES) : new Set();
    if (!all) for (let i = 0; i < this.nodes.length; i += 1) for (const part of holders(this.parts, i)) this.open.add(part);
    this.arrange();
    this.fit();
    this.choose(-1);
  }

  /** Choose a node, opening what it is folded in. @param {number} index */
  goTo(index) {
    for (const part of holders(this.parts, index)) this.open.add(part);
    this.arrange();
    this.fit();
    if (this.view.zoom < LEGIBLE_ZOOM) this.zoomBy(LEGIBLE_ZOOM / this.view.zoom);
    this.choose(this.shown.findIndex((part) => part.from === index), true);
  }

  find(isNext) {
    const wanted = this.search.value.trim().toLowerCase();
    const hits = wanted ? [...this.nodes.keys()].filter((i) => this.nodes[i].name.toLowerCase().includes(wanted)) : [];
    this.hit = isNext && hits.length ? ((this.hit ?? -1) + 1) % hits.length : -1;
    if (this.hit >= 0) this.goTo(hits[this.hit]);
    if (wanted) this.status.textContent = hits.length ? `${count(hits.length)} found${this.hit >= 0 ? `, number ${this.hit + 1}: ${this.nodes[hits[this.hit]].name}` : "; Enter shows the first"}` : "No node of this name.";
    else this.status.textContent = this.rest;
  }

  listen() {
    const { canvas } = this;
    new ResizeObserver(() => this.resize()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.palette = null; this.draw(); });
    let drag = null;
    canvas.addEventListener("pointerdown", (event) => {
      drag = { x: event.clientX, y: event.clientY, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!drag) return this.point(event);
      const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
      if (!drag.moved && Math.hypot(dx, dy) < 4) return undefined;
      Object.assign(drag, { x: event.clientX, y: event.clientY, moved: true });
      this.view.x += dx;
      this.view.y += dy;
      return this.draw();
    });
    canvas.addEventListener("pointerup", (event) => {
      const clicked = drag && !drag.moved;
      drag = null;
      if (clicked) this.click(event);
    });
    canvas.addEventListener("pointercancel", () => { drag = null; });
    canvas.addEventListener("pointerleave", () => this.point(null));
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY / 200), event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  click(event) {
    const at = this.boxAt(event);
    if (at >= 0 && this.shown[at].parts.length) return this.toggle(this.shown[at]);
    const frame = at < 0 ? this.frameAt(event) : null;
    return frame ? this.toggle(frame.part) : this.choose(at);
  }

  key(event) {
    if (!this.place) return;
    const at = this.chosen;
    const first = (list) => (list.length ? list[0] : at);
    const { x, y, row, readers } = this.place;
    const layer = () => [...x.keys()].filter((i) => x[i] === x[at] && row[i] === row[at]).sort((a, b) => y[a] - y[b]);
    const beside = (step) => { const all = layer(); return all[all.indexOf(at) + step] ?? at; };
    const moves = {
      ArrowRight: () => (at < 0 ? 0 : first(readers[at])), ArrowLeft: () => (at < 0 ? 0 : first(this.edges[at].inputs)),
      ArrowDown: () => (at < 0 ? 0 : beside(1)), ArrowUp: () => (at < 0 ? 0 : beside(-1)), Home: () => 0, End: () => this.shown.length - 1,
    };
    if (moves[event.key]) { this.choose(moves[event.key](), true); event.preventDefault(); }
    else if (event.key === "+" || event.key === "=") this.zoomBy(1.5);
    else if (event.key === "-") this.zoomBy(1 / 1.5);
    else if (event.key === "0") this.fit();
    else if (event.key === "Enter" && at >= 0) this.enter(this.shown[at]);
    else if (event.key === "Escape") this.leave(at);
  }

  enter(part) {
    if (part.parts.length) this.toggle(part);
    else this.panel.acts.showParameter(this.nodes[part.from].name);
  }

  // Folds what the chosen box is in; where that is nothing, chooses nothing.
  leave(at) {
    const open = at < 0 ? null : holders(this.parts, this.shown[at].from).filter((part) => this.open.has(part)).pop();
    if (open) this.toggle(open);
    else this.choose(-1);
  }

  choose(index, follow = false) {
    this.chosen = index;
    const part = index < 0 ? null : this.shown[index];
    this.status.textContent = part ? partSentence(part, this.nodes) : this.rest;
    this.panel.show(part);
    if (follow && part && this.place) {
      const { zoom } = this.view, x = this.place.x[index] * zoom + this.view.x, y = this.place.y[index] * zoom + this.view.y;
      if (x < 40 || x > this.width - 40) this.view.x += this.width / 2 - x;
      if (y < 20 || y > this.height - 20) this.view.y += this.height / 2 - y;
    }
    this.draw();
  }

  point(event) {
    const index = event ? this.boxAt(event) : -1;
    this.canvas.classList.toggle("over-node", index >= 0 || Boolean(event && this.frameAt(event)));
    this.tip.hidden = index < 0;
    if (index >= 0) {
      const part = this.shown[index];
      if (index !== this.pointed) this.tip.textContent = part.parts.length ? partSentence(part, this.nodes).replace("Enter opens", "Click opens") : partSentence(part, this.nodes);
      // Beside the pointer, and never past the edge of the picture.
      this.tip.style.left = `${Math.max(0, Math.min(event.offsetX + 14, this.width - this.tip.offsetWidth - 4))}px`;
      this.tip.style.top = `${event.offsetY + 18 + this.tip.offsetHeight > this.height ? event.offsetY - this.tip.offsetHeight - 8 : event.offsetY + 18}px`;
    }
    if (index === this.pointed) return;
    this.pointed = index;
    this.draw();
  }

  inGraph({ offsetX, offsetY }) {
    return [(offsetX - this.view.x) / this.view.zoom, (offsetY - this.view.y) / this.view.zoom];
  }

  boxAt(event) {
    if (!this.place) return -1;
    const [x, y] = this.inGraph(event);
    const reach = Math.max(1, 5 / (this.view.zoom * BOX.height));
    return this.shown.findIndex((_, i) => Math.abs(this.place.x[i] - x) < (BOX.width / 2) * reach && Math.abs(this.place.y[i] - y) < (BOX.height / 2) * reach);
  }

  // The title line of an open block.
  frameAt(event) {
    const [x, y] = this.inGraph(event);
    const isOn = ({ rows: [{ left, top, right }] }) => x > left && x < right && y > top && y < top + 14;
    return this.frames?.findLast(isOn) || null;
  }

  resize() {
    const box = this.canvas.getBoundingClientRect();
    if (!box.width || (box.width === this.width && box.height === this.height)) return;
    [this.width, this.height] = [box.width, box.height];
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(box.width * ratio);
    this.canvas.height = Math.round(box.height * ratio);
    this.arrange();
    this.fit();
  }

  fit() {
    if (!this.place) return;
    const { place, width, height } = this;
    const zoom = Math.min((width - 16) / place.width, (height - 16) / place.height, 1.3);
    this.view = { zoom, x: (width - place.width * zoom) / 2, y: (height - place.height * zoom) / 2 };
    this.draw();
  }

  zoomBy(factor, x = this.width / 2, y = this.height / 2) {
    const zoom = Math.min(MOST_ZOOM, Math.max(0.02, this.view.zoom * factor));
    const change = zoom / this.view.zoom;
    this.view = { zoom, x: x - (x - this.view.x) * change, y: y - (y - this.view.y) * change };
    this.draw();
  }

  draw() {
    if (this.waiting || !this.place) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.paint(); });
  }

  drawing(area) {
    this.palette ||= colours(COLOURS);
    const { boxes, frames, place, palette, chosen, pointed } = this;
    return { boxes, frames, place, palette, chosen, pointed, ...area };
  }

  paint() {
    const { view } = this, pen = this.canvas.getContext("2d"), ratio = devicePixelRatio || 1;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    pen.setTransform(ratio * view.zoom, 0, 0, ratio * view.zoom, ratio * view.x, ratio * view.y);
    const left = -view.x / view.zoom - STEP, right = left + this.width / view.zoom + 2 * STEP;
    const top = -view.y / view.zoom - LANE, bottom = top + this.height / view.zoom + 2 * LANE;
    drawGraph(pen, this.drawing({ zoom: view.zoom, left, right, top, bottom }));
  }

  save() {
    const pen = new SvgPen(), { width, height } = this.place;
    drawGraph(pen, { ...this.drawing({ zoom: 1, left: -Infinity, right: Infinity, top: -Infinity, bottom: Infinity }), chosen: -1, pointed: -1 });
    saveText(`${this.name.replace(/[^\w.-]+/g, "_")}.svg`, pen.file(width, height, this.palette.card), "image/svg+xml");
  }
}
