// Every parameter of the answer: where its values come from, how they are spread.
import { count, element } from "./dom.js";
import { HE_REACH, largeHistogram, smallHistogram } from "./histogram.js";
import { dims } from "./primitives.js";
import { short } from "./scale.js";
import { describeTensor, heStd } from "./stats.js";
import { readBlocks, readIndex } from "./tiles.js";

const ROWS_AT_FIRST = 250;
const FOUND_MS = 2500;
const PROVENANCE = { predicted: "predicted", tiled: "predicted, tiled", defaulted: "standard" };
// A long name is broken behind a dot.
const breakable = (name) => name.split(/(?<=\.)/).flatMap((part, i) => (i ? [element("wbr"), part] : [part]));
const numel = (shape) => shape.reduce((product, length) => product * length, 1);
// `of` sorts; what it cannot say yet comes last.
const COLUMNS = [
  { title: "Parameter", of: (parameter) => parameter.place },
  { title: "Shape", of: ({ shape }) => numel(shape) },
  { title: "Values", of: ({ provenance }) => provenance },
  { title: "Mean", of: ({ stats }) => stats?.mean },
  { title: "Std", of: ({ stats }) => stats?.std },
  { title: "Std / He", of: ({ stats, he }) => (he ? stats?.std / he : undefined) },
  { title: "Histogram", of: null },
];
const compare = (one, other) => (typeof one === "string" ? one.localeCompare(other) : one - other);

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
    this.sorted = { column: COLUMNS[0], sign: 1 };
  }

  /** @param {AbortSignal} signal */
  async fill(signal) {
    const { url, size } = this.result.weights;
    const { parameters, blocks } = await readIndex(url, size, signal);
    parameters.forEach((parameter, place) => { parameter.place = place; });
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
    this.status.textContent = `${count(parameters.length)} tensors. The curve over a histogram is He initialisation; click one to enlarge it.`;
  }

  // 0 for what is no weight of a convolution or a linear layer.
  heOf(parameter) {
    const decoding = this.known.get(parameter.name)?.decoding;
    const isWeight = decoding ? ["weight", "class_weight"].includes(decoding) : parameter.shape.length > 1;
    return isWeight ? heStd(parameter.shape) : 0;
  }

  show(most) {
    this.shown = Math.min(most, this.parameters.length);
    this.rows.clear();
    const body = element("tbody", "", {}, ...this.parameters.slice(0, this.shown).map((parameter) => this.line(parameter)));
    const table = element("table", "", { class: "layers" }, element("thead", "", {}, this.head()), body);
    const root = element("div", "", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of the parameters" }, table);
    this.place.replaceChildren(this.sorter(), root);
    if (this.shown < this.parameters.length) {
      const more = element("button", `Show all ${count(this.parameters.length)}`, { type: "button", class: "plain" });
      more.addEventListener("click", () => { this.show(Infinity); this.narrow(); });
      this.place.append(more);
    }
    for (const parameter of this.parameters) if (parameter.stats) this.update(parameter);
  }

  line(parameter) {
    const provenance = element("span", PROVENANCE[parameter.provenance] || parameter.provenance, { class: `tag ${parameter.provenance}` });
    const stored = this.known.get(parameter.name)?.shape || parameter.shape;
    const [, shape, values, mean, std, he, picture] = COLUMNS.map(({ title }) => element("td", "", { "data-title": title }));
    shape.textContent = dims(stored) || "scalar";
    values.append(provenance);
    const row = element("tr", "", {}, element("th", "", { scope: "row" }, ...breakable(parameter.name)), shape, values, mean, std, he, picture);
    this.rows.set(parameter.name, { row, mean, std, he, picture });
    return row;
  }

  head() {
    const row = element("tr");
    for (const column of COLUMNS) {
      const button = element("button", column.title, { type: "button", class: "sort" });
      button.addEventListener("click", () => this.sortBy(column));
      const head = element("th", "", { scope: "col" }, column.of ? button : column.title);
      if (column === this.sorted.column) head.setAttribute("aria-sort", this.sorted.sign > 0 ? "ascending" : "descending");
      row.append(head);
    }
    return row;
  }

  // Where the table is a list of cards there is no head to press.
  sorter() {
    const options = COLUMNS.filter(({ of }) => of).flatMap(({ title }) => [["ascending", "↑"], ["descending", "↓"]].map(([order, sign]) => element("option", `${title} ${sign}`, { value: `${title} ${order}` })));
    const select = element("select", "", {}, ...options);
    select.value = `${this.sorted.column.title} ${this.sorted.sign > 0 ? "ascending" : "descending"}`;
    select.addEventListener("change", () => {
      const at = select.value.lastIndexOf(" ");
      this.sortBy(COLUMNS.find(({ title }) => title === select.value.slice(0, at)), select.value.endsWith(" ascending") ? 1 : -1);
    });
    return element("label", "Sort by ", { class: "sorter" }, select);
  }

  sortBy(column, sign = this.sorted.column === column ? -this.sorted.sign : 1) {
    this.sorted = { column, sign };
    const known = (parameter) => column.of(parameter) !== undefined;
    this.parameters.sort((a, b) => (known(a) && known(b) ? sign * compare(column.of(a), column.of(b)) : known(b) - known(a)) || a.place - b.place);
    this.show(this.shown);
    this.narrow();
  }

  update(parameter) {
    const cells = this.rows.get(parameter.name);
    if (!cells) return;
    const { stats, he } = parameter;
    cells.mean.textContent = short(stats.mean, 2);
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
      const { row } = cells;
      const isOpen = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!isOpen));
      if (isOpen) row.nextElementSibling.remove();
      else row.after(element("tr", "", { class: "more" }, element("td", "", { colspan: String(COLUMNS.length) }, largeHistogram(stats, he, name))));
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
    const row = this.rows.get(name)?.row;
    if (!row) return;
    this.filter.value = "";
    this.narrow();
    row.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    row.classList.add("found");
    setTimeout(() => row.classList.remove("found"), FOUND_MS);
  }
}
