// The form of a ranking, and its way to the answer.
import { addressOfList, listAt } from "./address.js";
import { getJson, Problem } from "./api.js";
import { copyButton } from "./copy.js";
import { count, element } from "./dom.js";
import { runJob, Waiting } from "./jobs.js";
import { LESS_IS_BETTER } from "./kinds.js";
import { ListInput } from "./list_input.js";
import { lineOf, readArchitectures } from "./lists.js";
import { randomCells } from "./nasbench201.js";
import { problemCard } from "./problem.js";
import { rankingParts } from "./ranking.js";
import { nameView } from "./views.js";

const EXAMPLES = 50;
const BUILT_IN = [{ name: "structure", title: "structure (multiply-adds)", property: "accuracy" }];

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
    // shown: what the address says, and is shown.
    Object.assign(this, { form, place, onOpen, predictors: [], usual: {}, shown: "" });
    this.submit = form.querySelector("button[type=submit]");
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

  /** @returns {{name: string, title: string, isCost: boolean}[]} what can rank; isCost: its low values are good */
  get choices() {
    return this.predictors.map(({ name, property }) => ({ name, title: `${name} (${property})`, isCost: LESS_IS_BETTER.includes(property) }));
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

  options() {
    const { fields } = this;
    const options = new URLSearchParams({ property: fields.property.value, order: fields.order.value });
    if (fields.predictor.value) options.set("predictor", fields.predictor.value);
    if (fields.top_k.value) options.set("top_k", fields.top_k.value);
    return options;
  }

  // Show what `work` returns, or its problems.
  async answer(work) {
    this.current?.abort();
    this.current = new AbortController();
    const { signal } = this.current;
    const { place, submit } = this;
    const waiting = new Waiting("Ranking");
    place.hidden = false;
    place.setAttribute("aria-busy", "true");
    place.replaceChildren(waiting.root);
    submit.disabled = true;
    try {
      place.replaceChildren(...await work(waiting, signal));
    } catch (error) {
      if (signal.aborted) return;
      place.replaceChildren(problemCard(error));
      if (!(error instanceof Problem)) throw error;
    } finally {
      if (!signal.aborted) {
        place.removeAttribute("aria-busy");
        submit.disabled = false;
      }
    }
  }

  run() {
    return this.answer(async (waiting, signal) => {
      const entries = readArchitectures(this.list.text);
      if (!entries.length) throw new Problem({ title: "No architecture yet", detail: "Paste a list, choose a file, or try random cells first." });
      const options = this.options(), lines = entries.map((entry) => entry.line).join("\n");
      const address = await addressOfList(lines);
      const headers = { "Content-Type": "application/x-ndjson", Prefer: "wait=2" };
      const job = await runJob(`/rank-architectures?${options}`, { method: "POST", headers, body: lines }, waiting, signal);
      // A list that is too long for an address is linked to by its job, for as long as that is kept.
      this.shown = address ? `${address}?${options}` : `job:${job.id}`;
      nameView(`rank/${this.shown}`);
      return this.parts(job, entries);
    });
  }

  parts(job, entries) {
    const link = copyButton(() => `${location.origin}/#rank/${this.shown}`, "Copy link");
    return rankingParts(job.result, entries, this.onOpen, [link]);
  }

  /** Show the ranking that an address names. @param {string} detail "list:...?property=latency", or "job:ID" */
  async follow(detail) {
    if (!detail || detail === this.shown) return;
    this.shown = detail;
    const [, id] = /^job:([0-9a-f]{32})$/.exec(detail) || [];
    if (id) {
      await this.answer(async (_, signal) => {
        const job = await getJson(`/jobs/${id}?wait=20`, { signal });
        if (!job.result) throw new Problem(job.error || { title: `The job is ${job.status}`, detail: "It has no result." });
        return this.parts(job, []);
      });
      return;
    }
    const [text, query = ""] = detail.split("?");
    const lines = await listAt(text);
    if (lines === null) {
      await this.answer(async () => { throw new Problem({ title: "This link names no list", detail: "Paste one above." }); });
      return;
    }
    this.list.text = lines;
    this.choose(new URLSearchParams(query));
    await this.run();
  }

  choose(asked) {
    const { property, order, top_k: best } = this.fields;
    if (asked.get("property")) property.value = asked.get("property");
    this.offerPredictors(asked.get("predictor") || "");
    if (asked.get("order")) order.value = asked.get("order");
    best.value = asked.get("top_k") || "";
  }
}
