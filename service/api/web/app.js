"use strict";
// The page talks to the same API as everybody else. Text from outside is only ever set as text, never as HTML.

const form = document.getElementById("predict");
const outcome = document.getElementById("outcome");
const bytes = new Intl.NumberFormat("en", { style: "unit", unit: "megabyte", maximumFractionDigits: 2 });
const whole = new Intl.NumberFormat("en");

class Problem extends Error {
  constructor(document) {
    super(document.detail || document.title || "The service gave no reason.");
    this.document = document;
  }
}

function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function table(rows) {
  const body = element("tbody");
  for (const [name, value] of rows) {
    const row = element("tr");
    row.append(element("th", name, { scope: "row" }), element("td", value));
    body.append(row);
  }
  const made = element("table");
  made.append(body);
  return made;
}

async function call(path, options = {}) {
  const headers = new Headers(options.headers);
  const key = form.elements.key.value;
  if (key) headers.set("Authorization", `Bearer ${key}`);
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new Problem({ title: "No answer", detail: "The service does not answer.", hint: "Is it still running?" });
  }
  if (response.status === 401) document.getElementById("key-row").hidden = false;
  if (!response.ok) {
    const isJson = (response.headers.get("Content-Type") || "").includes("json");
    throw new Problem(isJson ? await response.json() : { title: `Error ${response.status}`, detail: await response.text() });
  }
  return response;
}

function show(...parts) {
  outcome.hidden = false;
  outcome.replaceChildren(...parts);
}

function showProblem(error) {
  if (!(error instanceof Problem)) throw error;
  const problem = error.document;
  const rows = [["hint", problem.hint], ["node", problem.node], ["operator", problem.operator], ["field", problem.field]];
  const parts = [element("h2", problem.title || "Problem"), element("p", error.message, { class: "problem" })];
  const known = rows.filter(([, value]) => value);
  if (known.length) parts.push(table(known));
  show(...parts);
}

function showWaiting(job) {
  const { done, total, message } = job.progress;
  const bar = total ? element("progress", "", { value: done, max: total }) : element("progress");
  show(element("h2", job.status === "queued" ? "Waiting for a worker" : "Predicting"), bar, element("p", message, { class: "quiet" }));
}

function showResult(job, name) {
  const result = job.result;
  const rows = [
    ["parameters", `${whole.format(result.num_parameters)} in ${whole.format(result.num_tensors)} tensors`],
    ["complete", result.complete ? "every trainable parameter is in the file" : "no"],
    ["from the GHN", `${(result.coverage * 100).toFixed(1)} % of the parameters`],
    ["model", result.model],
    ["answer", result.cached ? "known before" : `computed in ${Math.round(result.timings_ms.total || 0)} ms`],
    ["file", `${bytes.format(result.weights.size / 1e6)}, SHA-256 ${result.weights.sha256}`],
  ];
  if (result.defaulted.length) rows.splice(3, 0, ["standard initialisation", result.defaulted.join(", ")]);
  const link = element("button", "Download", { type: "button" });
  link.addEventListener("click", () => download(`${result.weights.url}?filename=${encodeURIComponent(name)}`));
  show(element("h2", "Done"), table(rows), link);
}

function showFailure(job) {
  if (job.error) showProblem(new Problem(job.error));
  else show(element("h2", `The job is ${job.status}.`));
}

async function download(url) {
  try {
    if (!form.elements.key.value) {
      location.assign(url);
      return;
    }
    // A key travels in a header, which a plain link cannot send.
    const response = await call(url);
    const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") || "");
    const address = URL.createObjectURL(await response.blob());
    element("a", "", { href: address, download: name ? name[1] : "weights" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
  } catch (error) {
    showProblem(error);
  }
}

function chosenSource() {
  return form.elements.source.value;
}

function request() {
  const { model, output, dtype, include_classifier: classifier } = form.elements;
  const options = { model: model.value, output: output.value, dtype: dtype.value };
  const source = chosenSource();
  if (source === "file") {
    const file = form.elements.file.files[0];
    if (!file) throw new Problem({ title: "No file", detail: "Choose an ONNX or JSON file first." });
    const body = new FormData();
    body.append("architecture", file);
    for (const [name, value] of Object.entries(options)) if (value) body.append(name, value);
    body.append("include_classifier", String(classifier.checked));
    return { name: file.name.replace(/\.[^.]*$/, ""), init: { method: "POST", body } };
  }
  const typed = form.elements[source].value.trim();
  const architecture = source === "torchvision" ? { format: source, name: typed } : { format: source, cell: typed };
  if (!options.model) delete options.model;
  const document = { architecture, ...options, include_classifier: classifier.checked };
  const headers = { "Content-Type": "application/json" };
  return { name: source === "torchvision" ? typed : source, init: { method: "POST", headers, body: JSON.stringify(document) } };
}

async function predict(event) {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const { name, init } = request();
    show(element("h2", "Sending"), element("progress"));
    init.headers = { ...init.headers, Prefer: "wait=5" };
    let job = await (await call("/predict-weights", init)).json();
    while (job.status === "queued" || job.status === "running") {
      showWaiting(job);
      job = await (await call(`${job.links.self}?wait=2`)).json();
    }
    if (job.status === "succeeded") showResult(job, name);
    else showFailure(job);
  } catch (error) {
    showProblem(error);
  } finally {
    button.disabled = false;
  }
}

async function listModels() {
  const place = document.getElementById("models");
  try {
    const { models } = await (await call("/models")).json();
    form.elements.model.replaceChildren(...models.map((model) => element("option", model.name, { value: model.name })));
    const head = element("tr");
    for (const title of ["name", "kind", "data", "classes"]) head.append(element("th", title, { scope: "col" }));
    const rows = models.map((model) => {
      const row = element("tr");
      for (const value of [model.name, model.kind, model.dataset, model.num_classes]) row.append(element("td", String(value ?? "")));
      return row;
    });
    const made = element("table");
    made.append(head, ...rows);
    place.replaceChildren(models.length ? made : element("p", "There is no model yet.", { class: "quiet" }));
  } catch (error) {
    place.replaceChildren(element("p", error.message, { class: "problem" }));
  }
}

function chooseSource() {
  for (const part of form.querySelectorAll(".source")) part.hidden = part.dataset.source !== chosenSource();
}

const drop = document.getElementById("drop");
for (const name of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(name, () => drop.classList.toggle("over", name === "dragover"));
}
form.elements.file.addEventListener("change", () => {
  const file = form.elements.file.files[0];
  if (file) document.getElementById("file-name").textContent = `${file.name} (${whole.format(file.size)} bytes)`;
});
for (const radio of form.elements.source) radio.addEventListener("change", chooseSource);
form.elements.key.addEventListener("change", listModels);
form.addEventListener("submit", predict);
chooseSource();
listModels();
