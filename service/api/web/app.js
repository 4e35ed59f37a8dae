// Puts the parts of the page together.
import { Problem, setKey } from "./api.js";
import { listModels } from "./models.js";
import { predict } from "./predict.js";
import { problemCard } from "./problem.js";
import { chosenNetwork, setUpSources } from "./source.js";
import { listTraining } from "./training.js";

const form = document.getElementById("predict");
const outcome = document.getElementById("outcome");
const models = document.getElementById("models");
const training = document.getElementById("training");
const { key, model, include_classifier: classifier, source } = form.elements;
let current = null;

async function run(event) {
  event?.preventDefault();
  current?.abort();
  current = new AbortController();
  const { signal } = current;
  outcome.hidden = false;
  outcome.setAttribute("aria-busy", "true");
  try {
    const options = { include_classifier: classifier.checked };
    if (model.value) options.model = model.value;
    await predict(chosenNetwork(form), options, outcome, signal);
  } catch (error) {
    if (signal.aborted) return;
    outcome.replaceChildren(problemCard(error));
    if (!(error instanceof Problem)) throw error;
  } finally {
    if (!signal.aborted) outcome.removeAttribute("aria-busy");
  }
}

function refresh() {
  listModels(models, model);
  listTraining(training);
}

// A file may be dropped anywhere.
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  if (!event.dataTransfer.files.length) return;
  source.value = "file";
  form.elements.file.files = event.dataTransfer.files;
  for (const radio of source) radio.dispatchEvent(new Event("change"));
  form.elements.file.dispatchEvent(new Event("change"));
});
document.addEventListener("key-wanted", () => { document.getElementById("key-row").hidden = false; });
key.addEventListener("change", () => { setKey(key.value); refresh(); });
form.addEventListener("submit", run);
document.getElementById("refresh").addEventListener("click", refresh);
setUpSources(form);
refresh();
