// The primitive graph on a canvas: only what is in view is drawn, so that thousands of nodes stay quick.
import { colours, count, element } from "./dom.js";
import { layOut, LANE, STEP } from "./layout.js";
import { KIND_TITLES, kindOf, labelOf, sentence } from "./primitives.js";

const NODE = { width: 24, height: 16 };
const LABELS_FROM = 1.7;
const MOST_ZOOM = 6;
// Pixels of a node's height, edges: see where they are used.
const ROUND_FROM = 9;
const EDGES_A_PATH = 256;

export class GraphView {
  // onOpen: called with a node's index when it is chosen (click, Enter).
  constructor(description, onOpen) {
    this.nodes = description.nodes;
    this.onOpen = onOpen;
    this.chosen = this.hovered = -1;
    this.view = { x: 0, y: 0, zoom: 1 };
    this.canvas = element("canvas", "", {
      tabindex: "0", role: "application", "aria-roledescription": "graph", "aria-describedby": "graph-keys",
    });
    this.status = element("p", "", { class: "node-status", "aria-live": "polite" });
    this.root = element("div", "", { class: "graph" }, this.tools(), this.canvas, this.legend(), this.status,
      element("p", "Arrows: go along the graph. Plus, minus, 0: zoom. Enter: show in the table. Drag to move; Ctrl and the wheel zoom.", { id: "graph-keys", class: "quiet small" }));
    this.edges = description.nodes.reduce((sum, node) => sum + node.inputs.length, 0);
    this.rest = `${count(this.nodes.length)} nodes, ${count(this.edges)} edges. Point at a node for its shape.`;
    this.canvas.setAttribute("aria-label", `Graph of ${this.rest}`);
    this.status.textContent = this.rest;
    this.readers = this.nodes.map(() => []);
    this.nodes.forEach((node, index) => node.inputs.forEach((source) => this.readers[source].push(index)));
    this.listen();
  }

  tools() {
    const button = (text, label, act) => {
      const made = element("button", text, { type: "button", class: "plain", "aria-label": label, title: label });
      made.addEventListener("click", act);
      return made;
    };
    return element("div", "", { class: "tools" }, button("+", "Zoom in", () => this.zoomBy(1.5)),
      button("−", "Zoom out", () => this.zoomBy(1 / 1.5)), button("fit", "Show all", () => this.fit()));
  }

  legend() {
    const counts = {};
    for (const node of this.nodes) counts[kindOf(node)] = (counts[kindOf(node)] || 0) + 1;
    const items = Object.keys(KIND_TITLES).filter((kind) => counts[kind]).map((kind) =>
      element("li", "", {}, element("span", "", { class: `swatch kind-${kind}` }), `${KIND_TITLES[kind]} ${count(counts[kind])}`));
    return element("ul", "", { class: "legend" }, ...items);
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
      if (!drag) return this.hover(event);
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
      if (!clicked) return;
      this.choose(this.nodeAt(event));
      if (this.chosen >= 0) this.onOpen(this.chosen);
    });
    canvas.addEventListener("pointercancel", () => { drag = null; });
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY / 200), event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (!this.place) return;
    const at = this.chosen;
    const first = (list) => (list.length ? list[0] : at);
    const { x, y, band } = this.place;
    const layer = () => [...x.keys()].filter((i) => x[i] === x[at] && band[i] === band[at]).sort((a, b) => y[a] - y[b]);
    const beside = (step) => { const all = layer(); return all[all.indexOf(at) + step] ?? at; };
    const moves = {
      ArrowRight: () => (at < 0 ? 0 : first(this.readers[at])), ArrowLeft: () => (at < 0 ? 0 : first(this.nodes[at].inputs)),
      ArrowDown: () => (at < 0 ? 0 : beside(1)), ArrowUp: () => (at < 0 ? 0 : beside(-1)), Home: () => 0, End: () => this.nodes.length - 1,
    };
    if (moves[event.key]) { this.choose(moves[event.key](), true); event.preventDefault(); }
    else if (event.key === "+" || event.key === "=") this.zoomBy(1.5);
    else if (event.key === "-") this.zoomBy(1 / 1.5);
    else if (event.key === "0") this.fit();
    else if (event.key === "Enter" && at >= 0) this.onOpen(at);
    else if (event.key === "Escape") this.choose(-1);
  }

  choose(index, follow = false) {
    this.chosen = index;
    this.status.textContent = index < 0 ? this.rest : sentence(this.nodes[index], index, this.nodes.length);
    if (follow && index >= 0) {
      const { zoom } = this.view, x = this.place.x[index] * zoom + this.view.x, y = this.place.y[index] * zoom + this.view.y;
      if (x < 4 || x > this.width - 4) this.view.x += this.width / 2 - x;
      if (y < 4 || y > this.height - 4) this.view.y += this.height / 2 - y;
    }
    this.draw();
  }

  hover(event) {
    const index = this.nodeAt(event);
    this.canvas.classList.toggle("over-node", index >= 0);
    // A pointer that rests beside the nodes takes nothing away that keys have chosen.
    if (index === this.hovered) return;
    this.hovered = index;
    this.choose(index);
  }

  nodeAt(event) {
    const x = (event.offsetX - this.view.x) / this.view.zoom, y = (event.offsetY - this.view.y) / this.view.zoom;
    const reach = Math.max(1, 5 / (this.view.zoom * NODE.height));
    for (let i = 0; i < this.nodes.length; i += 1) {
      if (Math.abs(this.place.x[i] - x) < (NODE.width / 2) * reach && Math.abs(this.place.y[i] - y) < (NODE.height / 2) * reach) return i;
    }
    return -1;
  }

  resize() {
    const box = this.canvas.getBoundingClientRect();
    if (!box.width || (box.width === this.width && box.height === this.height)) return;
    [this.width, this.height] = [box.width, box.height];
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(box.width * ratio);
    this.canvas.height = Math.round(box.height * ratio);
    this.place = layOut(this.nodes, box.width / box.height);
    this.fit();
  }

  fit() {
    const { place, width, height } = this;
    const zoom = Math.min((width - 16) / place.width, (height - 16) / place.height, 2);
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

  paint() {
    this.palette ||= colours(["ink", "quiet", "card", "line", "accent", "on-node", ...Object.keys(KIND_TITLES).map((kind) => `kind-${kind}`)]);
    const { view, palette, place } = this, pen = this.canvas.getContext("2d"), ratio = devicePixelRatio || 1;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    pen.setTransform(ratio * view.zoom, 0, 0, ratio * view.zoom, ratio * view.x, ratio * view.y);
    const left = -view.x / view.zoom - STEP, right = left + this.width / view.zoom + 2 * STEP;
    const top = -view.y / view.zoom - LANE, bottom = top + this.height / view.zoom + 2 * LANE;
    this.paintEdges(pen, { left, right, top, bottom });
    const byKind = new Map();
    for (let i = 0; i < this.nodes.length; i += 1) {
      if (place.x[i] < left || place.x[i] > right || place.y[i] < top || place.y[i] > bottom) continue;
      const kind = kindOf(this.nodes[i]);
      if (!byKind.has(kind)) byKind.set(kind, []);
      byKind.get(kind).push(i);
    }
    for (const [kind, members] of byKind) {
      pen.fillStyle = palette[`kind-${kind}`];
      this.paintNodes(pen, members);
    }
    if (view.zoom >= LABELS_FROM) this.paintLabels(pen, [...byKind.values()].flat());
    if (this.chosen >= 0) {
      pen.strokeStyle = palette.ink;
      pen.lineWidth = Math.max(2, 2 / view.zoom);
      pen.beginPath();
      pen.roundRect(place.x[this.chosen] - NODE.width / 2 - 2, place.y[this.chosen] - NODE.height / 2 - 2, NODE.width + 4, NODE.height + 4, 5);
      pen.stroke();
    }
  }

  // Round corners cost a browser forty times as much as square ones: only where they can be seen.
  paintNodes(pen, members) {
    const { x, y } = this.place, { width, height } = NODE;
    const isRound = height * this.view.zoom >= ROUND_FROM;
    pen.beginPath();
    for (const i of members) {
      if (isRound) pen.roundRect(x[i] - width / 2, y[i] - height / 2, width, height, 4);
      else pen.rect(x[i] - width / 2, y[i] - height / 2, width, height);
    }
    pen.fill();
  }

  paintLabels(pen, members) {
    pen.fillStyle = this.palette["on-node"];
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.font = "600 6px system-ui, sans-serif";
    for (const i of members) pen.fillText(labelOf(this.nodes[i]), this.place.x[i], this.place.y[i] + 0.5, NODE.width - 3);
  }

  paintEdges(pen, { left, right, top, bottom }) {
    const { place, palette, view } = this;
    pen.strokeStyle = palette.quiet;
    // Many edges on few nodes would hide each other: they are drawn fainter until they are looked at closely.
    pen.globalAlpha = view.zoom >= LABELS_FROM ? 0.75 : Math.min(0.75, Math.max(0.25, (1.5 * this.nodes.length) / this.edges));
    pen.lineWidth = Math.max(0.9, 0.7 / view.zoom);
    pen.beginPath();
    const marked = [];
    let drawn = 0;
    for (let i = 0; i < this.nodes.length; i += 1) {
      for (const source of this.nodes[i].inputs) {
        const low = Math.min(place.y[i], place.y[source]), high = Math.max(place.y[i], place.y[source]);
        if (high < top || low > bottom + 4 * LANE) continue;
        if (Math.max(place.x[i], place.x[source]) < left || Math.min(place.x[i], place.x[source]) > right) continue;
        if (i === this.chosen || source === this.chosen) marked.push([source, i]);
        else {
          this.edge(pen, source, i);
          drawn += 1;
          if (drawn % EDGES_A_PATH === 0) {
            pen.stroke();
            pen.beginPath();
          }
        }
      }
    }
    pen.stroke();
    pen.globalAlpha = 1;
    pen.strokeStyle = palette.accent;
    pen.lineWidth = Math.max(1.6, 1.4 / view.zoom);
    pen.beginPath();
    for (const [source, target] of marked) this.edge(pen, source, target);
    pen.stroke();
  }

  // An edge to the next layer is straight; one that skips layers is an arch above what it skips.
  edge(pen, source, target) {
    const { x, y, band } = this.place;
    const [x0, y0, x1, y1] = [x[source], y[source], x[target], y[target]];
    pen.moveTo(x0, y0);
    const span = Math.abs(x1 - x0) / STEP;
    if (band[source] !== band[target]) {
      if (band[target] - band[source] > 1) pen.lineTo(x1, y1);
      else {
        // Around the turn at the end of the line.
        const turn = (band[source] % 2 ? Math.min(x0, x1) : Math.max(x0, x1)) + (band[source] % 2 ? -1 : 1) * STEP * 0.4;
        pen.bezierCurveTo(turn, y0, turn, y1, x1, y1);
      }
    } else if (span <= 1.01) pen.lineTo(x1, y1);
    else {
      const rise = Math.min(LANE * 1.1, LANE * (0.55 + span * 0.06));
      const peak = Math.min(y0, y1) - rise;
      pen.bezierCurveTo(x0 + (x1 - x0) * 0.15, peak, x1 - (x1 - x0) * 0.15, peak, x1, y1);
    }
  }
}
