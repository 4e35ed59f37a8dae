// The form that starts the training of a model or of a network, or a search.
import { getJson, Problem } from "./api.js";
import { element } from "./dom.js";
import { KINDS, SPACES } from "./kinds.js";
import { problemCard } from "./problem.js";
import { SourcePicker } from "./source.js";

// A short run is measured often: there must be a curve to look at.
const SHORT_MINUTES = 15;
const SHORT_LOG_STEPS = 5;

// What all trainings on images are told of them.
function imageOptions(fields) {
  const options = { skip_bad: fields.skip_bad.checked };
  if (fields.mirror.value) options.mirror = fields.mirror.value === "yes";
  return options;
}

function modelJob(fields) {
  const minutes = Number(fields.minutes.value);
  const config = { data: fields.data.value, minutes, ...imageOptions(fields) };
  if (minutes < SHORT_MINUTES) config.log_steps = SHORT_LOG_STEPS;
  return { kind: fields.kind.value, name: fields.name.value, config, ...(fields.replace.checked ? { replace: true } : {}) };
}

async function tuningJob(fields, picker) {
  const config = { architecture: await picker.document(), data: fields.tuning_data.value, epochs: Number(fields.epochs.value), start: fields.start.value, head: fields.head.value, compare: fields.compare.checked, ...imageOptions(fields) };
  if (fields.images.value) config.images = Number(fields.images.value);
  if (fields.tuning_model.value !== fields.tuning_model.dataset.usual && config.start !== "random") config.model = fields.tuning_model.value;
  const name = picker.chosen().name.replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 64);
  return { kind: "finetune", ...(name ? { name } : {}), config };
}

function searchJob(fields) {
  const config = { space: fields.space.value, order: fields.order.value, evaluations: Number(fields.evaluations.value) };
  if (fields.predictor.value) config.predictor = fields.predictor.value;
  if (fields.max_parameters.value) config.max_parameters = Number(fields.max_parameters.value);
  if (fields.trade_off.value) config.trade_off = fields.trade_off.value;
  return { kind: "search", config };
}

// What a score can be traded off against, besides a predictor's values.
const COSTS = [{ name: "", title: "nothing" }, { name: "parameters", title: "parameters" }, { name: "multiply_adds", title: "multiply-adds" }];

// Offers these, and keeps the choice where it can.
function offer(select, choices) {
  const { value: chosen } = select;
  select.replaceChildren(...choices.map(({ name, title }) => element("option", title, { value: name })));
  select.value = choices.some(({ name }) => name === chosen) ? chosen : choices[0].name;
}

// All other kinds learn from images, and become a model.
const JOBS = { finetune: tuningJob, search: searchJob };

// The tasks beside those that the page has.
function addTasks(place, known) {
  const others = Object.entries(KINDS).filter(([kind, { learnsFrom }]) => learnsFrom === "images" && !known.has(kind));
  place.after(...others.map(([kind, { title }]) => element("label", "", {}, element("input", "", { type: "radio", name: "kind", value: kind }), element("span", title))));
}

export class TrainForm {
  /**
   * @param {HTMLFormElement} form
   * @param {HTMLElement} trouble
   * @param {(job: object) => void} onStarted told of the job
   */
  constructor(form, trouble, onStarted) {
    Object.assign(this, { form, trouble, onStarted, fields: form.elements });
    this.picker = new SourcePicker(document.getElementById("tuning-source"), "nasbench201");
    offer(this.fields.space, Object.entries(SPACES).map(([name, title]) => ({ name, title })));
    this.know([]);
    addTasks(this.fields.kind[0].parentElement, new Set([...this.fields.kind].map(({ value }) => value)));
    for (const radio of this.fields.kind) radio.addEventListener("change", () => this.choose());
    form.addEventListener("submit", (event) => { event.preventDefault(); this.start(); });
    this.choose();
  }

  /** @returns {HTMLSelectElement} the GHNs to choose from */
  get models() { return this.fields.tuning_model; }

  // What is disabled is neither sent nor checked.
  choose() {
    const { value } = this.fields.kind, shown = value in JOBS ? value : "model";
    for (const part of this.form.querySelectorAll("[data-kind]")) part.hidden = part.disabled = !part.dataset.kind.split(" ").includes(shown);
  }

  /** Ask for a fine-tuning of the network of another form. @param {SourcePicker} picker */
  tune(picker) {
    this.fields.kind.value = "finetune";
    this.choose();
    this.picker.copy(picker);
  }

  /** @param {{name: string, title: string, isCost: boolean}[]} predictors what can score */
  know(predictors) {
    offer(this.fields.predictor, [{ name: "", title: "the default of the space" }, ...predictors]);
    offer(this.fields.trade_off, [...COSTS, ...predictors.filter(({ isCost }) => isCost)]);
  }

  async start() {
    const button = this.form.querySelector("button[type=submit]");
    button.disabled = true;
    this.trouble.replaceChildren();
    try {
      const asked = await (JOBS[this.fields.kind.value] ?? modelJob)(this.fields, this.picker);
      const init = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(asked) };
      this.onStarted(await getJson("/training-jobs", init));
    } catch (error) {
      this.trouble.replaceChildren(problemCard(error));
      if (!(error instanceof Problem)) throw error;
    } finally {
      button.disabled = false;
    }
  }
}
