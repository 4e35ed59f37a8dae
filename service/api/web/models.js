// The models and their cards.
import { call, getJson } from "./api.js";
import { codeBox } from "./code_box.js";
import { copyButton } from "./copy.js";
import { count, element, facts, size } from "./dom.js";
import { KINDS } from "./kinds.js";
import { scoresOf } from "./model_scores.js";
import { problemCard } from "./problem.js";

const MADE = ["data", "method", "features", "observations", "networks", "steps", "minutes", "images", "machine", "view", "imported_from", "command"];

const dataOf = (value) => (value !== null && typeof value === "object" ? element("pre", JSON.stringify(value, null, 2)) : typeof value === "number" ? count(value) : String(value));
const TITLES = { data: "Trained on", view: "Reads" };
const titleOf = (name) => TITLES[name] || name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");

// How it is used, in the three ways there are.
function useOf({ name, kind, training }) {
  const { origin } = location;
  if (kind === "ghn") {
    return {
      "Command line": `weightcast predict network.onnx --model ${name}\n`,
      curl: `curl -s ${origin}/predict-weights -F architecture=@network.onnx -F model=${name}\n`,
      "Python client": `weights = client.predict_weights(network, model="${name}")\n`,
    };
  }
  const { use } = KINDS[kind];
  if (use) return { "Command line": `${use.replace("{name}", name).replace("{data}", training?.data || "digits")}\n` };
  return {
    "Command line": `weightcast rank architectures.jsonl --predictor ${name}\n`,
    curl: `curl -s '${origin}/rank-architectures?predictor=${name}' \\\n  -H 'Content-Type: application/x-ndjson' --data-binary @architectures.jsonl\n`,
    "Python client": `ranking = client.rank(architectures, predictor="${name}")\n`,
  };
}

class ModelCard {
  constructor(model, isUsual, onChange) {
    Object.assign(this, { model, onChange });
    const { name, kind, training, dataset } = model;
    const badges = [element("span", KINDS[kind].does + (training?.property ? ` by ${training.property}` : ""), { class: "tag" })];
    if (dataset) badges.push(element("span", dataset, { class: "tag" }));
    if (isUsual) badges.push(element("span", "default", { class: "tag succeeded" }));
    if (model.hides_shipped) badges.push(element("span", "hides the shipped one", { class: "tag" }));
    const actions = element("span", "", { class: "bar" });
    if (kind === "ghn") actions.append(element("a", "Predict with it", { href: "#predict", class: "plain button", "data-use": name }));
    this.trouble = element("div");
    this.said = element("p", model.description || "No description yet.", { class: model.description ? "" : "quiet" });
    const { figures, note } = scoresOf(model.scores || {});
    this.root = element("article", "", { class: "model", "data-name": name, tabindex: "-1" },
      element("header", "", {}, element("h4", name), ...badges, actions), this.said, ...figures, ...(note ? [element("p", note, { class: "quiet small" })] : []), this.more());
  }

  more() {
    const { model } = this, rows = [];
    if (model.dataset) rows.push(["Data", model.dataset]);
    if (model.num_classes) rows.push(["Classes", count(model.num_classes)]);
    rows.push(["Size", size(model.size)]);
    for (const [name, value] of Object.entries(model.training || {})) if (MADE.includes(name) && typeof value !== "object") rows.push([titleOf(name), dataOf(value)]);
    rows.push(["Digest", element("span", "", { class: "bar" }, element("code", model.digest), copyButton(() => model.digest))]);
    const rest = Object.fromEntries(Object.entries(model.training || {}).filter(([name, value]) => !MADE.includes(name) || typeof value === "object"));
    const fold = element("details", "", {}, element("summary", "How to use it, and how it was made"), codeBox(`Using ${model.name}`, useOf(model)), facts(rows));
    if (Object.keys(rest).length) fold.append(element("details", "", {}, element("summary", "Whole record"), dataOf({ training: rest, scores: model.scores })));
    if (!model.shipped) fold.append(this.changes());
    return fold;
  }

  changes() {
    const text = element("input", "", { value: this.model.description || "", maxlength: "2000", "aria-label": `Description of ${this.model.name}` });
    const save = element("button", "Save description", { type: "button", class: "plain" });
    save.addEventListener("click", () => this.send("PATCH", { headers: { "Content-Type": "application/json" }, body: JSON.stringify({ description: text.value }) }));
    const remove = element("button", "Delete", { type: "button", class: "plain" });
    remove.addEventListener("click", () => {
      // Twice, because nothing brings it back.
      if (remove.textContent === "Delete") remove.textContent = "Delete for good?";
      else this.send("DELETE", {});
    });
    return element("div", "", { class: "model-changes" }, text, element("div", "", { class: "bar" }, save, remove), this.trouble);
  }

  async send(method, init) {
    this.trouble.replaceChildren();
    try {
      await call(`/models/${encodeURIComponent(this.model.name)}`, { method, ...init });
      await this.onChange();
    } catch (error) {
      this.trouble.replaceChildren(problemCard(error));
    }
  }
}

/** @returns {Promise<{models: object[], default: string}>} cards of the models; Problem */
export const loadModels = () => getJson("/models");

export class ModelList {
  /** @param {HTMLElement} place @param {() => Promise<void>} onChange told of a model that was changed or removed */
  constructor(place, onChange) {
    Object.assign(this, { place, onChange, last: "" });
  }

  /** @param {{models: object[], default: string}} known */
  show(known) {
    // A list that did not change keeps what is open in it.
    const now = JSON.stringify(known);
    if (now === this.last) return;
    this.last = now;
    const usual = new Set([known.default, ...Object.values(known.default_predictors)]);
    const groups = Object.entries(KINDS).map(([kind, { models: title }]) => [title, known.models.filter((model) => model.kind === kind)]).filter(([, models]) => models.length);
    const nothing = element("p", "There is no model yet.", { class: "quiet" });
    this.place.replaceChildren(...(groups.length ? groups.flatMap(([title, models]) => [element("h3", title),
      ...models.map((model) => new ModelCard(model, usual.has(model.name), this.onChange).root)]) : [nothing]));
  }

  /** @param {string} name */
  reveal(name) {
    const card = this.place.querySelector(`.model[data-name="${CSS.escape(name)}"]`);
    card?.scrollIntoView({ block: "start" });
    card?.focus({ preventScroll: true });
  }
}

/** GHNs to choose from, the choice kept. @param {HTMLSelectElement} select @param {{models: object[], default: string}} known */
export function offerModels(select, { models, default: usual }) {
  const chosen = select.value;
  const names = models.filter((model) => model.kind === "ghn").map(({ name }) => name).sort((a, b) => (b === usual) - (a === usual));
  select.replaceChildren(...names.map((name) => element("option", name === usual ? `${name} (default)` : name, { value: name })));
  select.dataset.usual = usual;
  select.value = names.includes(chosen) ? chosen : names.includes(usual) ? usual : names[0] || "";
}
