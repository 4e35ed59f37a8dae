// Every parameter of the answer: where its values come from, how they are spread.
import { count, element, grid } from "./dom.js";
import { HE_REACH, largeHistogram, smallHistogram } from "./histogram.js";
import { dims } from "./primitives.js";
import { short } from "./scale.js";
import { describeTensor, heStd } from "./stats.js";
import { readBlocks, readIndex } from "./tiles.js";

const ROWS_AT_FIRST = 250;
const FOUND_MS = 2500;
const PROVENANCE = { predicted: "predicted", tiled: "predicted, tiled", defaulted: "standard" };
const TITLES = ["Parameter", "Shape", "Values", "Std", "Std / He", "Histogram"];

export class LayerTable {
  /** @param {object} result of a prediction @param {object | null} description of its network */
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
        parameter.he = this.heOf(parameter);
        parameter.stats = describeTensor(values, blocks[key].shape, parameter.shape, parameter.scale ?? 1, HE_REACH * parameter.he);
        this.update(parameter);
        done += 1;
      }
      this.status.textContent = `Reading values: ${count(done)} of ${count(parameters.length)} tensors`;
    }
    this.status.textContent = `${count(parameters.length)} tensors. The line over a histogram is He initialisation; press one to see it large.`;
  }

  // 0 for what is no weight of a convolution or a linear layer.
  heOf(parameter) {
    const decoding = this.known.get(parameter.name)?.decoding;
    const isWeight = decoding ? ["weight", "class_weight"].includes(decoding) : parameter.shape.length > 1;
    return isWeight ? heStd(parameter.shape) : 0;
  }

  show(most) {
    this.shown = Math.min(most, this.parameters.length);
    const rows = this.parameters.slice(0, this.shown).map((parameter) => {
      const provenance = element("span", PROVENANCE[parameter.provenance] || parameter.provenance, { class: `tag ${parameter.provenance}` });
      const cells = { std: element("td"), he: element("td"), picture: element("td") };
      const name = element("th", parameter.name, { scope: "row" });
      const stored = this.known.get(parameter.name)?.shape || parameter.shape;
      const row = [name, element("td", dims(stored) || "scalar"), element("td", "", {}, provenance), cells.std, cells.he, cells.picture];
      this.rows.set(parameter.name, cells);
      return row;
    });
    this.place.replaceChildren(grid(TITLES, rows, { class: "layers" }, "Table of the parameters"));
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
    const { stats, he } = parameter;
    cells.std.textContent = short(stats.std, 3);
    cells.std.title = `mean ${short(stats.mean)}, from ${short(stats.lowest)} to ${short(stats.highest)}`;
    cells.he.textContent = he ? (stats.std / he).toFixed(2) : "–";
    if (he) cells.he.title = `He initialisation: ${short(he)}`;
    if (stats.std > 0) cells.picture.replaceChildren(this.opener(parameter, cells));
    else cells.picture.textContent = `all ${short(stats.mean)}`;
  }

  // The small histogram, which opens the large one in a row of its own.
  opener(parameter, cells) {
    const { stats, he, name } = parameter;
    const attributes = { type: "button", class: "open", "aria-expanded": "false", "aria-label": `Histogram of ${name}` };
    const button = element("button", "", attributes, smallHistogram(stats, he));
    button.addEventListener("click", () => {
      const row = cells.picture.parentElement;
      const isOpen = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!isOpen));
      if (isOpen) row.nextElementSibling.remove();
      else row.after(element("tr", "", { class: "more" }, element("td", "", { colspan: String(TITLES.length) }, largeHistogram(stats, he, name))));
    });
    return button;
  }

  narrow() {
    const wanted = this.filter.value.trim().toLowerCase();
    let keeps = true;
    for (const row of this.place.querySelectorAll("tbody tr")) {
      // A large histogram goes with the row that it belongs to.
      if (!row.classList.contains("more")) keeps = row.firstChild.textContent.toLowerCase().includes(wanted);
      row.hidden = !keeps;
    }
  }

  /** Bring the row of a parameter into view. @param {string} name */
  reveal(name) {
    if (!this.rows.has(name) && this.parameters?.some((parameter) => parameter.name === name)) this.show(Infinity);
    const row = this.rows.get(name)?.std.parentElement;
    if (!row) return;
    this.filter.value = "";
    this.narrow();
    row.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    row.classList.add("found");
    setTimeout(() => row.classList.remove("found"), FOUND_MS);
  }
}
