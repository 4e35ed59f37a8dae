// A predictor from one's own results: a training job whose model the ranking offers at once.
import { Problem } from "./api.js";
import { count, element } from "./dom.js";
import { runJob, Waiting } from "./jobs.js";
import { KINDS } from "./kinds.js";
import { ListInput } from "./list_input.js";
import { readObservations } from "./lists.js";
import { problemCard } from "./problem.js";

const WRONG_SHOWN = 60;

function describeResults(text) {
  const { observations, wrong } = readObservations(text);
  if (!observations.length && !wrong.length) return "";
  const where = wrong.length ? `; ${count(wrong.length)} that cannot be read, first line ${wrong[0].line}` : "";
  return `${count(observations.length)} results${where}`;
}

function readAll(text) {
  const { observations, wrong } = readObservations(text);
  if (wrong.length) {
    const [{ line, text: said }] = wrong;
    throw new Problem({
      title: "A result that cannot be read", field: `line ${line}`, detail: said.slice(0, WRONG_SHOWN),
      hint: "A line is {\"architecture\": {...}, \"value\": 93.1}, or a NAS-Bench-201 cell, a comma and a value.",
    });
  }
  if (!observations.length) throw new Problem({ title: "No results yet", detail: "Paste results or choose a file first." });
  return observations;
}

/**
 * @param {HTMLFormElement} form
 * @param {HTMLElement} place
 * @param {(name: string) => Promise<void>} onFitted told of a predictor that can be used now
 */
export function setUpFit(form, place, onFitted) {
  const fields = form.elements;
  const list = new ListInput(fields.observations, fields.file, document.getElementById("fit-status"), describeResults);
  for (const [kind, { title, learnsFrom }] of Object.entries(KINDS)) {
    if (learnsFrom === "observations" && kind !== "predictor") fields.kind.append(element("option", `${title}, in minutes`, { value: kind, "data-minutes": "" }));
  }
  const takesMinutes = () => "minutes" in fields.kind.selectedOptions[0].dataset;
  fields.kind.addEventListener("change", () => { document.getElementById("fit-minutes").hidden = !takesMinutes(); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button[type=submit]");
    const waiting = new Waiting("Fitting");
    place.replaceChildren(waiting.root);
    button.disabled = true;
    try {
      const config = { observations: readAll(list.text), property: fields.property.value.trim() };
      if (takesMinutes()) config.minutes = Number(fields.minutes.value);
      const asked = { kind: fields.kind.value, name: fields.name.value, config };
      if (fields.replace.checked) asked.replace = true;
      const body = JSON.stringify(asked);
      const init = { method: "POST", headers: { "Content-Type": "application/json" }, body };
      const { result } = await runJob("/training-jobs", init, waiting);
      await onFitted(result.model);
      place.replaceChildren(fitted(result));
    } catch (error) {
      place.replaceChildren(problemCard(error));
      if (!(error instanceof Problem)) throw error;
    } finally {
      button.disabled = false;
    }
  });
}

function fitted(result) {
  const said = result.certainty || (typeof result.kendall_tau === "number" ? `Kendall's tau on results held out: ${result.kendall_tau.toFixed(2)}.` : "");
  return element("p", "", { role: "status" }, element("strong", result.model), ` is ready, and chosen above. ${said}`);
}
