// Puts the parts of the page together.
import { addressOf, architectureAt } from "./address.js";
import { getJson, Problem } from "./api.js";
import { copyButton } from "./copy.js";
import { element } from "./dom.js";
import { EXAMPLES } from "./examples.js";
import { setUpFit } from "./fit.js";
import { watchHealth } from "./health.js";
import { setUpKey } from "./key.js";
import { loadModels, ModelList, offerModels } from "./models.js";
import { predict, showAnswer } from "./predict.js";
import { problemCard } from "./problem.js";
import { RankView } from "./rank.js";
import { remember, showRecent } from "./recent.js";
import { SourcePicker } from "./source.js";
import { TrainForm } from "./train.js";
import { TrainingList } from "./training.js";
import { currentView, nameView, openView, setUpViews } from "./views.js";

const at = (id) => document.getElementById(id);
const form = at("predict-form");
const outcome = at("outcome");
const submit = form.querySelector("button[type=submit]");
const { model, include_classifier: classifier } = form.elements;
const picker = new SourcePicker(at("predict-source"));
let current = null;
// What the address says, and is shown.
let shown = "";

function options() {
  const chosen = {};
  if (model.value && model.value !== model.dataset.usual) chosen.model = model.value;
  if (!classifier.checked) chosen.include_classifier = false;
  return chosen;
}

const asQuery = (chosen) => (Object.keys(chosen).length ? `?${new URLSearchParams(chosen)}` : "");

function pick(name, problem) {
  if (problem.type?.endsWith("/unknown-model")) model.value = name;
  else picker.take({ format: "torchvision", name });
  form.requestSubmit();
}

/** Show what `work` puts into the place of the answer; its problems too. */
async function answer(work) {
  current?.abort();
  current = new AbortController();
  const { signal } = current;
  at("preview").hidden = true;
  outcome.hidden = false;
  outcome.setAttribute("aria-busy", "true");
  submit.disabled = true;
  try {
    await work(signal);
  } catch (error) {
    if (signal.aborted) return;
    outcome.replaceChildren(problemCard(error, pick));
    if (!(error instanceof Problem)) throw error;
  } finally {
    if (!signal.aborted) {
      outcome.removeAttribute("aria-busy");
      submit.disabled = false;
    }
  }
}

function actionsFor(network, hash) {
  const button = (text, act) => {
    const made = element("button", text, { type: "button", class: "plain" });
    made.addEventListener("click", act);
    return made;
  };
  const actions = [button("Fine-tune this", () => { training.tune(picker); openView("train"); })];
  if (network.architecture) actions.push(button("Rank with this", () => { ranking.add(network.architecture); openView("rank"); }));
  actions.push(copyButton(() => `${location.origin}/#${hash}`, "Copy link"));
  return actions;
}

function run() {
  return answer(async (signal) => {
    const network = picker.chosen(), chosen = options();
    const address = await addressOf(network.architecture);
    const hash = address ? `predict/${address}${asQuery(chosen)}` : "";
    if (!hash) nameView("predict");
    await predict(network, chosen, outcome, (job) => {
      // What only a file holds is linked to by its job, for as long as that is kept.
      const link = hash || `predict/job:${job.id}`;
      shown = link.slice("predict/".length);
      nameView(link);
      remember(at("recent"), network.name, link);
      return actionsFor(network, link);
    }, signal);
  });
}

function open(architecture) {
  picker.take(architecture);
  openView("predict");
  run();
}

// "torchvision:resnet50?model=mine", or "job:ID" of an answer whose network only its file holds.
async function follow(detail) {
  if (!detail || detail === shown) return;
  shown = detail;
  const [, job] = /^job:([0-9a-f]{32})$/.exec(detail) || [];
  if (job) {
    await answer(async (signal) => showAnswer(await getJson(`/jobs/${job}?wait=20`, { signal }), outcome, signal));
    return;
  }
  const [text, query = ""] = detail.split("?");
  const architecture = await architectureAt(text);
  if (!architecture) {
    await answer(async () => { throw new Problem({ title: "This link names no network", detail: "Choose one above." }); });
    return;
  }
  const asked = new URLSearchParams(query);
  await models;
  if (asked.get("model")) model.value = asked.get("model");
  classifier.checked = asked.get("include_classifier") !== "false";
  picker.take(architecture);
  await run();
}

const ranking = new RankView(at("rank-form"), at("ranking"), open);
const jobs = new TrainingList(at("training"), open);
const training = new TrainForm(at("train-form"), at("train-trouble"), (job) => jobs.add(job));

const list = new ModelList(at("models"), () => refreshModels());

// Models come and go: asked for again whenever a view that shows them is opened.
async function refreshModels(wanted = "") {
  try {
    const known = await loadModels();
    list.show(known);
    offerModels(model, known);
    offerModels(training.models, known);
    ranking.know(known, wanted);
    training.know(ranking.choices);
  } catch (error) {
    at("models").replaceChildren(problemCard(error));
    if (!(error instanceof Problem)) throw error;
  }
}

let models = Promise.resolve();

function show(view, detail = "") {
  models = refreshModels();
  if (view === "predict") follow(detail);
  // A link may name a predictor, which is offered once the models are known.
  if (view === "rank") models.then(() => ranking.follow(detail));
  if (view === "train") jobs.refresh(detail);
  if (view === "models" && detail) models.then(() => list.reveal(detail));
}

for (const { title, said, architecture } of EXAMPLES) {
  const chip = element("button", title, { type: "button", class: "chip" }, element("span", ` ${said}`, { class: "quiet small" }));
  chip.addEventListener("click", () => open(architecture));
  at("examples").append(chip);
}
showRecent(at("recent"));

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
  picker.takeFile(file);
  openView("predict");
});
form.addEventListener("submit", (event) => { event.preventDefault(); run(); });
at("models").addEventListener("click", ({ target }) => { if (target.dataset.use) model.value = target.dataset.use; });
at("refresh").addEventListener("click", () => jobs.refresh());
setUpFit(at("fit-form"), at("fitted"), refreshModels);
watchHealth(at("health"));
setUpKey(at("key-form"), at("key-said"), () => show(currentView()));
setUpViews(show);
