// The form that starts the training of a GHN.
import { getJson, Problem } from "./api.js";
import { problemCard } from "./problem.js";

/**
 * @param {HTMLFormElement} form
 * @param {HTMLElement} trouble
 * @param {(job: object, name: string) => void} onStarted told of the job and of the model that it makes
 */
export function setUpTrain(form, trouble, onStarted) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { name, data, minutes } = form.elements;
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    trouble.replaceChildren();
    try {
      const body = JSON.stringify({ kind: "ghn", name: name.value, config: { data: data.value, minutes: Number(minutes.value) } });
      onStarted(await getJson("/training-jobs", { method: "POST", headers: { "Content-Type": "application/json" }, body }), name.value);
    } catch (error) {
      trouble.replaceChildren(problemCard(error));
      if (!(error instanceof Problem)) throw error;
    } finally {
      button.disabled = false;
    }
  });
}
