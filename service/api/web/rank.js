// The form of a ranking, and its way to the answer.
import { Problem } from "./api.js";
import { count, element } from "./dom.js";
import { runJob, Waiting } from "./jobs.js";
import { ListInput } from "./list_input.js";
import { lineOf, readArchitectures } from "./lists.js";
import { randomCells } from "./nasbench201.js";
import { problemCard } from "./problem.js";
import { rankingParts } from "./ranking.js";

const EXAMPLES = 50;
// Of these the lowest come first, until somebody wants it otherwise.
const LESS_IS_BETTER = ["latency", "convergence"];
const BUILT_IN = [{ name: "structure", title: "structure (size and depth, untrained)", property: "accuracy" }];

const plural = (n, one) => `${count(n)} ${one}${n === 1 ? "" : "s"}`;

function describeList(text) {
  const entries = readArchitectures(text);
  const wrong = entries.filter((entry) => !entry.architecture).length;
  if (!entries.length) return "";
  return plural(entries.length - wrong, "architecture") + (wrong ? `, ${plural(wrong, "line")} that will be skipped` : "");
}

export class RankView {
  /** @param {HTMLFormElement} form @param {HTMLElement} place @param {(architecture: object) => void} onOpen */
  constructor(form, place, onOpen) {
    Object.assign(this, { form, place, onOpen, predictors: [], usual: {} });
    this.fields = form.elements;
    this.list = new ListInput(this.fields.list, this.fields.file, document.getElementById("list-status"), describeList);
    this.seed = 0;
    document.getElementById("random-cells").addEventListener("click", () => {
      this.list.text = randomCells(EXAMPLES, this.seed).join("\n");
      this.seed += 1;
    });
    this.fields.property.addEventListener("change", () => {
      this.fields.order.value = LESS_IS_BETTER.includes(this.fields.property.value) ? "ascending" : "descending";
      this.offerPredictors();
    });
    form.addEventListener("submit", (event) => { event.preventDefault(); this.run(); });
  }

  /** @returns {{name: string, title: string}[]} what can rank */
  get choices() {
    return this.predictors.map(({ name, property }) => ({ name, title: `${name} (${property})` }));
  }

  /** Put one more architecture into the list. @param {object} architecture */
  add(architecture) {
    this.list.text = [this.list.text.trim(), lineOf(architecture)].filter(Boolean).join("\n");
  }

  /** What can rank, from the service's models. @param {object} known @param {string} [wanted] a predictor to choose */
  know({ models, default_predictors: usual }, wanted = "") {
    this.usual = usual;
    // GHNs and the like predict no property.
    const fitted = models.filter((model) => model.training?.property);
    this.predictors = [...BUILT_IN, ...fitted.map(({ name, training }) => {
      const predicted = training?.property || "accuracy";
      return { name, title: usual[predicted] === name ? `${name} (default)` : name, property: predicted };
    })];
    const chosen = this.predictors.find((each) => each.name === wanted);
    const { property } = this.fields;
    const before = chosen?.property || property.value;
    const known = [...new Set(this.predictors.map((each) => each.property))];
    property.replaceChildren(...known.map((name) => element("option", name, { value: name })));
    property.value = known.includes(before) ? before : known[0];
    this.offerPredictors(chosen?.name);
  }

  // Only what predicts the chosen property.
  offerPredictors(wanted = this.fields.predictor.value) {
    const { predictor, property } = this.fields;
    const isUsual = ({ name }) => this.usual[property.value] === name;
    const fitting = this.predictors.filter((each) => each.property === property.value).sort((a, b) => isUsual(b) - isUsual(a));
    predictor.replaceChildren(...fitting.map((each) => element("option", each.title, { value: each.name })));
    predictor.value = fitting.some((each) => each.name === wanted) ? wanted : fitting[0]?.name ?? "";
  }

  async run() {
    this.current?.abort();
    this.current = new AbortController();
    const { signal } = this.current;
    const { place, fields } = this;
    const entries = readArchitectures(this.list.text);
    const waiting = new Waiting("Ranking");
    place.hidden = false;
    place.setAttribute("aria-busy", "true");
    place.replaceChildren(waiting.root);
    try {
      if (!entries.length) throw new Problem({ title: "No architecture yet", detail: "Paste a list, choose a file, or try random cells first." });
      const options = new URLSearchParams({ property: fields.property.value, order: fields.order.value });
      if (fields.predictor.value) options.set("predictor", fields.predictor.value);
      if (fields.top_k.value) options.set("top_k", fields.top_k.value);
      const headers = { "Content-Type": "application/x-ndjson", Prefer: "wait=2" };
      const init = { method: "POST", headers, body: entries.map((entry) => entry.line).join("\n") };
      const job = await runJob(`/rank-architectures?${options}`, init, waiting, signal);
      place.replaceChildren(...rankingParts(job.result, entries, this.onOpen));
    } catch (error) {
      if (signal.aborted) return;
      place.replaceChildren(problemCard(error));
      if (!(error instanceof Problem)) throw error;
    } finally {
      if (!signal.aborted) place.removeAttribute("aria-busy");
    }
  }
}
