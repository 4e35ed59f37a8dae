// Every parameter of the answer: where its values come from, how they are spread.
import { count, element, grid, svg } from "./dom.js";
import { dims } from "./primitives.js";
import { describeTensor, heStd } from "./stats.js";
import { readBlocks, readIndex } from "./tiles.js";

const ROWS_AT_FIRST = 250;
const PROVENANCE = { predicted: "predicted", tiled: "predicted, tiled", defaulted: "standard" };

function histogram(stats, he) {
  const width = 104, height = 26, bar = width / stats.bins.length, top = Math.max(...stats.bins);
  const path = stats.bins.map((share, i) => `M${(i * bar + bar / 2).toFixed(1)} ${height}V${(height - (share / top) * (height - 2)).toFixed(1)}`).join("");
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "histogram", role: "img", "aria-label": `values from ${short(-stats.largest)} to ${short(stats.largest)}` });
  picture.append(svg("path", { d: path, class: "bars", "stroke-width": (bar - 0.8).toFixed(1) }));
  if (he && stats.largest) {
    // The density that He initialisation would have, in shares of a bin.
    const density = (value) => (Math.exp(-((value / he) ** 2) / 2) / (he * Math.sqrt(2 * Math.PI))) * ((2 * stats.largest) / stats.bins.length);
    const points = Array.from({ length: 53 }, (_, i) => [i * 2, density((i / 26 - 1) * stats.largest)]);
    picture.append(svg("polyline", { points: points.map(([x, share]) => `${x},${(height - Math.min(1.1, share / top) * (height - 2)).toFixed(1)}`).join(" "), class: "he" }));
  }
  return picture;
}

const short = (value) => (value === 0 ? "0" : Math.abs(value) < 1e-3 || Math.abs(value) >= 1e4 ? value.toExponential(1) : value.toPrecision(3));

export class LayerTable {
  constructor(result, description) {
    this.result = result;
    this.known = new Map((description?.parameters || []).map((parameter) => [parameter.name, parameter]));
    this.filter = element("input", "", { type: "search", placeholder: "Filter by name", "aria-label": "Filter parameters by name" });
    this.filter.addEventListener("input", () => this.narrow());
    this.status = element("p", "Reading the answer…", { class: "quiet small", role: "status" });
    this.place = element("div");
    this.root = element("div", "", {}, element("div", "", { class: "bar" }, this.filter, this.status), this.place);
    this.rows = new Map();
  }

  async fill(signal) {
    const { url, size } = this.result.weights;
    const { parameters, blocks } = await readIndex(url, size, signal);
    this.parameters = parameters;
    this.show(ROWS_AT_FIRST);
    const users = new Map();
    for (const parameter of parameters) users.set(parameter.block, [...(users.get(parameter.block) || []), parameter]);
    let done = 0;
    for await (const [key, values] of readBlocks(url, blocks, signal)) {
      for (const parameter of users.get(key) || []) {
        parameter.stats = describeTensor(values, blocks[key].shape, parameter.shape, parameter.scale ?? 1);
        this.update(parameter);
        done += 1;
      }
      this.status.textContent = `Reading values: ${count(done)} of ${count(parameters.length)} tensors`;
    }
    this.status.textContent = `${count(parameters.length)} tensors. The line over a histogram is He initialisation.`;
  }

  show(most) {
    this.shown = Math.min(most, this.parameters.length);
    const rows = this.parameters.slice(0, this.shown).map((parameter) => {
      const provenance = element("span", PROVENANCE[parameter.provenance] || parameter.provenance, { class: `tag ${parameter.provenance}` });
      const cells = { std: element("td"), he: element("td"), picture: element("td") };
      const name = element("th", parameter.name, { scope: "row" });
      const stored = this.known.get(parameter.name)?.shape || parameter.shape;
      const row = [name, element("td", dims(stored) || "scalar", { class: "number" }), element("td", "", {}, provenance), cells.std, cells.he, cells.picture];
      this.rows.set(parameter.name, cells);
      return row;
    });
    const table = grid(["Parameter", "Shape", "Values", "Std", "Std / He", "Histogram"], rows, { class: "layers" });
    this.place.replaceChildren(table);
    if (this.shown < this.parameters.length) {
      const more = element("button", `Show all ${count(this.parameters.length)}`, { type: "button", class: "plain" });
      more.addEventListener("click", () => { this.show(Infinity); this.narrow(); });
      this.place.append(more);
    }
    for (const parameter of this.parameters) if (parameter.stats) this.update(parameter);
  }

  update(parameter) {
    const cells = this.rows.get(parameter.name);
    if (!cells) return;
    const { stats } = parameter;
    const decoding = this.known.get(parameter.name)?.decoding;
    const isWeight = decoding ? ["weight", "class_weight"].includes(decoding) : parameter.shape.length > 1;
    const he = isWeight ? heStd(parameter.shape) : 0;
    cells.std.textContent = short(stats.std);
    cells.std.title = `mean ${short(stats.mean)}, largest ${short(stats.largest)}`;
    cells.he.textContent = he ? `${(stats.std / he).toFixed(2)}` : "–";
    if (he) cells.he.title = `He initialisation: ${short(he)}`;
    if (stats.std > 0) cells.picture.replaceChildren(histogram(stats, he));
    else cells.picture.textContent = `all ${short(stats.mean)}`;
  }

  narrow() {
    const wanted = this.filter.value.trim().toLowerCase();
    for (const row of this.place.querySelectorAll("tbody tr")) row.hidden = !row.firstChild.textContent.toLowerCase().includes(wanted);
  }

  // Bring the row of a parameter into view.
  reveal(name) {
    if (!this.rows.has(name) && this.parameters?.some((parameter) => parameter.name === name)) this.show(Infinity);
    const row = this.rows.get(name)?.std.parentElement;
    if (!row) return;
    this.filter.value = "";
    this.narrow();
    row.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    row.classList.add("found");
    setTimeout(() => row.classList.remove("found"), 2500);
  }
}
