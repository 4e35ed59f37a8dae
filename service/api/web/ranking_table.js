// A ranking as a table that sorts by any of its columns.
import { count, element } from "./dom.js";
import { alike } from "./scale.js";

const ROWS_AT_FIRST = 100;
const COSTS = { parameters: "Parameters", multiply_adds: "Multiply-adds" };

export class RankingTable {
  /**
   * @param {{rank: number, score: number, value?: number, interval?: number[]}[]} rows
   * @param {string} property what `value` is
   * @param {(row: object) => string} nameOf
   * @param {(row: object) => void} onOpen
   */
  constructor(rows, property, nameOf, onOpen) {
    const score = alike(rows.map((row) => row.score));
    this.columns = [
      { title: "Rank", of: (row) => row.rank, text: (row) => count(row.rank), number: true },
      { title: "Name", of: nameOf, text: nameOf, opens: true },
    ];
    if (rows.every((row) => typeof row.value === "number")) {
      const value = alike(rows.map((row) => row.value));
      this.columns.push({ title: property, of: (row) => row.value, text: (row) => value(row.value), number: true });
    }
    if (rows.every((row) => row.interval)) {
      const end = alike(rows.flatMap((row) => row.interval)), width = ({ interval: [low, high] }) => high - low;
      this.columns.push({ title: "90% interval", of: width, text: (row) => row.interval.map(end).join(" to "), number: true });
    }
    for (const [cost, title] of Object.entries(COSTS)) {
      if (rows.every((row) => row.costs?.[cost] !== undefined)) {
        this.columns.push({ title, of: (row) => row.costs[cost], text: (row) => count(row.costs[cost]), number: true });
      }
    }
    // What has a value is read by its value; the score is what it was ordered by.
    this.columns.push({ title: "Score", of: (row) => row.score, text: (row) => score(row.score), number: true });
    Object.assign(this, { rows: [...rows], onOpen, shown: ROWS_AT_FIRST, sorted: { column: this.columns[0], sign: 1 } });
    this.body = element("tbody");
    this.more = element("button", "", { type: "button", class: "plain" });
    this.more.addEventListener("click", () => { this.shown *= 10; this.fill(); });
    const table = element("table", "", { class: "ranking" }, element("thead", "", {}, this.head()), this.body);
    const scrolled = { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Table of the ranking" };
    this.root = element("div", "", {}, element("div", "", scrolled, table), this.more);
    this.fill();
  }

  head() {
    const row = element("tr");
    for (const column of this.columns) {
      const button = element("button", column.title, { type: "button", class: "sort" });
      button.addEventListener("click", () => this.sortBy(column));
      column.head = element("th", "", { scope: "col", class: column.number ? "number" : "" }, button);
      row.append(column.head);
    }
    return row;
  }

  sortBy(column) {
    const again = this.sorted.column === column;
    this.sorted = { column, sign: again ? -this.sorted.sign : 1 };
    const { sign } = this.sorted;
    this.rows.sort((a, b) => {
      const [first, second] = [column.of(a), column.of(b)];
      const order = typeof first === "string" ? first.localeCompare(second, "en", { numeric: true }) : first - second;
      return sign * order || a.rank - b.rank;
    });
    this.fill();
  }

  fill() {
    const { column, sign } = this.sorted;
    for (const each of this.columns) {
      if (each === column) each.head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      else each.head.removeAttribute("aria-sort");
    }
    this.body.replaceChildren(...this.rows.slice(0, this.shown).map((row) => this.line(row)));
    this.more.hidden = this.shown >= this.rows.length;
    this.more.textContent = `Show more of the ${count(this.rows.length)}`;
  }

  line(row) {
    const made = element("tr");
    for (const column of this.columns) {
      if (column.opens) {
        // The link is for keys; the whole row can be clicked.
        const link = element("button", column.text(row), { type: "button", class: "link", title: "Open in the predict view" });
        made.append(element("th", "", { scope: "row" }, link));
      } else made.append(element("td", column.text(row), { class: column.number ? "number" : "", "data-title": column.title }));
    }
    made.addEventListener("click", () => this.onOpen(row));
    return made;
  }
}
