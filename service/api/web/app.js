// Puts the parts of the page together.
import { Problem } from "./api.js";
import { setUpFit } from "./fit.js";
import { watchHealth } from "./health.js";
import { setUpKey } from "./key.js";
import { loadModels, offerModels, showModels } from "./models.js";
import { predict } from "./predict.js";
import { problemCard } from "./problem.js";
import { RankView } from "./rank.js";
import { chosenNetwork, fillIn, fillInFile, setUpSources } from "./source.js";
import { TrainForm } from "./train.js";
import { TrainingList } from "./training.js";
import { currentView, openView, setUpViews } from "./views.js";

const at = (id) => document.getElementById(id);
const form = at("predict-form");
const outcome = at("outcome");
const { model, include_classifier: classifier } = form.elements;
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

function open(architecture) {
  fillIn(form, architecture);
  openView("predict");
  form.requestSubmit();
}

const ranking = new RankView(at("rank-form"), at("ranking"), open);
const jobs = new TrainingList(at("training"), open);
const training = new TrainForm(at("train-form"), at("train-trouble"), (job) => jobs.add(job));

// Models come and go: asked for again whenever a view that shows them is opened.
async function refreshModels(wanted = "") {
  try {
    const models = await loadModels();
    showModels(at("models"), models);
    offerModels(model, models);
    ranking.know(models, wanted);
    training.know(ranking.names);
  } catch (error) {
    at("models").replaceChildren(problemCard(error));
    if (!(error instanceof Problem)) throw error;
  }
}

function show(view) {
  if (view === "train") jobs.refresh();
  refreshModels();
}

// A file may be dropped anywhere.
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  if (!file) return;
  if (currentView() === "rank") {
    ranking.list.take(file);
    return;
  }
  fillInFile(form, file);
  openView("predict");
});
form.addEventListener("submit", run);
at("refresh").addEventListener("click", () => jobs.refresh());
setUpSources(form);
setUpFit(at("fit-form"), at("fitted"), refreshModels);
watchHealth(at("health"));
setUpKey(at("key-form"), at("key-said"), () => show(currentView()));
setUpViews(show);
