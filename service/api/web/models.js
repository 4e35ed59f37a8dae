// The models and their cards.
import { getJson } from "./api.js";
import { count, element, facts } from "./dom.js";

const dataOf = (value) => (value !== null && typeof value === "object" ? element("pre", JSON.stringify(value, null, 2)) : String(value));

const ranking = ({ kendall_tau: tau, interval, networks }) => [
  `Kendall's tau ${tau.toFixed(2)}`, interval ? ` (${interval.map((end) => end.toFixed(2)).join(" to ")})` : "",
  networks ? ` over ${count(networks)} networks` : "",
].join("");

const isNumber = (value) => typeof value === "number";
const isMeasured = (value) => isNumber(value) || (Array.isArray(value) && value.length === 2 && value.every(isNumber));
const measured = (value) => (isNumber(value) ? value.toFixed(2) : `${value[0].toFixed(2)} ± ${value[1].toFixed(2)}`);

function scoreOf(score) {
  if (isNumber(score?.kendall_tau)) return ranking(score);
  if (score !== null && typeof score === "object" && !Array.isArray(score) && score.mean === undefined && Object.values(score).every(isMeasured)) {
    return Object.entries(score).map(([name, value]) => `${name} ${measured(value)}`).join(", ");
  }
  if (score === null || typeof score !== "object" || score.mean === undefined) return dataOf(score);
  const spread = score.stderr === undefined ? "" : ` ± ${Number(score.stderr).toFixed(2)}`;
  return `${Number(score.mean).toFixed(2)}${spread}${score.n ? ` over ${count(score.n)} networks` : ""}`;
}

// What a closed card says: its kind, and what it predicts or was trained on.
const about = ({ kind, training, dataset }) => [kind, training?.property || dataset].filter(Boolean).join(", ");

function card(model) {
  const rows = [["Data", model.dataset], ["Classes", model.num_classes]].filter(([, value]) => value !== null && value !== undefined && value !== "");
  const { kendall_tau_cv: tau, interval, note, ...scores } = model.scores || {};
  if (isNumber(tau)) rows.push(["Score, cross-validation", ranking({ kendall_tau: tau, interval })]);
  for (const [split, score] of Object.entries(scores)) rows.push([`Score, ${split.replaceAll("_", " ")}`, scoreOf(score)]);
  if (note) rows.push(["Note", note]);
  if (!Object.keys(model.scores || {}).length) rows.push(["Scores", element("span", "none measured", { class: "quiet" })]);
  for (const [name, value] of Object.entries(model.training || {})) {
    if (typeof value !== "object") rows.push([`Training: ${name}`, typeof value === "number" ? count(value) : value]);
  }
  rows.push(["Digest", element("code", model.digest)]);
  const title = element("summary", "", {}, element("strong", model.name), element("span", ` ${about(model)}`, { class: "quiet" }));
  const made = element("details", "", { class: "model", "data-name": model.name }, title);
  if (model.description) made.append(element("p", model.description));
  made.append(facts(rows.map(([name, value]) => [name, value instanceof Node ? value : String(value)])));
  const nested = Object.entries(model.training || {}).filter(([, value]) => value !== null && typeof value === "object");
  for (const [name, value] of nested) made.append(element("details", "", {}, element("summary", `Training: ${name}`), dataOf(value)));
  return made;
}

/** @returns {Promise<object[]>} cards of the models; Problem */
export const loadModels = async () => (await getJson("/models")).models;

/** @param {HTMLElement} place @param {object[]} models */
export function showModels(place, models) {
  const open = new Set([...place.querySelectorAll("details.model[open]")].map((each) => each.dataset.name));
  const cards = models.map((model) => {
    const made = card(model);
    made.open = open.has(model.name);
    return made;
  });
  place.replaceChildren(...(cards.length ? cards : [element("p", "There is no model yet.", { class: "quiet" })]));
}

/** GHNs to choose from, the choice kept. @param {HTMLSelectElement} select @param {object[]} models */
export function offerModels(select, models) {
  const chosen = select.value;
  const choices = models.filter((model) => model.kind === "ghn").map((model) => element("option", model.name, { value: model.name }));
  select.replaceChildren(element("option", "the server's default", { value: "" }), ...choices);
  select.value = [...select.options].some((option) => option.value === chosen) ? chosen : "";
}
