// The models and their cards.
import { getJson } from "./api.js";
import { count, element, facts } from "./dom.js";
import { problemCard } from "./problem.js";

const dataOf = (value) => (value !== null && typeof value === "object" ? element("pre", JSON.stringify(value, null, 2)) : String(value));

function scoreOf(score) {
  if (score === null || typeof score !== "object" || score.mean === undefined) return dataOf(score);
  const spread = score.stderr === undefined ? "" : ` ± ${Number(score.stderr).toFixed(2)}`;
  return `${Number(score.mean).toFixed(2)}${spread}${score.n ? ` over ${count(score.n)} networks` : ""}`;
}

function card(model) {
  const rows = [["Data", model.dataset], ["Classes", model.num_classes]].filter(([, value]) => value !== null && value !== undefined && value !== "");
  for (const [split, score] of Object.entries(model.scores || {})) rows.push([`Score, ${split}`, scoreOf(score)]);
  if (!Object.keys(model.scores || {}).length) rows.push(["Scores", element("span", "none measured", { class: "quiet" })]);
  for (const [name, value] of Object.entries(model.training || {})) if (typeof value !== "object") rows.push([`Training: ${name}`, typeof value === "number" ? count(value) : value]);
  rows.push(["Digest", element("code", model.digest)]);
  const title = element("summary", "", {}, element("strong", model.name), element("span", ` ${model.kind}`, { class: "quiet" }));
  const made = element("details", "", {}, title);
  if (model.description) made.append(element("p", model.description));
  made.append(facts(rows.map(([name, value]) => [name, value instanceof Node ? value : String(value)])));
  const nested = Object.entries(model.training || {}).filter(([, value]) => value !== null && typeof value === "object");
  for (const [name, value] of nested) made.append(element("details", "", {}, element("summary", `Training: ${name}`), dataOf(value)));
  return made;
}

export async function listModels(place, select) {
  try {
    const { models } = await getJson("/models");
    const chosen = select.value;
    const choices = models.filter((model) => model.kind === "ghn").map((model) => element("option", model.name, { value: model.name }));
    select.replaceChildren(element("option", "the server's default", { value: "" }), ...choices);
    select.value = [...select.options].some((option) => option.value === chosen) ? chosen : "";
    place.replaceChildren(...(models.length ? models.map(card) : [element("p", "There is no model yet.", { class: "quiet" })]));
  } catch (error) {
    place.replaceChildren(problemCard(error));
  }
}
