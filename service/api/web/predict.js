// One prediction from the form to the page. What is looked at is the small `tiles` answer; other files are made
// when they are asked for.
import { download, getJson } from "./api.js";
import { count, duration, element, facts, size, svg } from "./dom.js";
import { GraphView } from "./graph.js";
import { runJob, Waiting } from "./jobs.js";
import { LayerTable } from "./layers.js";
import { problemCard } from "./problem.js";

const FILES = [["safetensors", "safetensors"], ["tiles", "tiles (small)"], ["npz", "NumPy"], ["onnx", "ONNX, filled in"]];
const STAGE_COLOURS = 8;
const DTYPES = ["float32", "float16", "bfloat16"];

const ask = (network, options, onProgress, signal) => runJob("/predict-weights", network.send(options), onProgress, signal);

function describe(network, signal) {
  return getJson("/describe-architecture", { ...network.send({}), signal });
}

// Show everything about one network in `place`. Throws Problems.
export async function predict(network, options, place, signal) {
  const waiting = new Waiting("Predicting");
  place.replaceChildren(waiting.root);
  const started = performance.now();
  // A network of torchvision is known to the service once its worker has built it; any other one at once.
  let described = network.kind === "torchvision" ? null : describe(network, signal);
  described?.catch(() => {});
  const job = await ask(network, { ...options, output: "tiles", dtype: "float32" }, (...now) => waiting.show(...now), signal);
  const waited = performance.now() - started;
  described ||= describe(network, signal);
  const [description, trouble] = await described.then((value) => [value, null], (error) => [null, error]);
  const table = new LayerTable(job.result, description);
  const graph = element("section", "", { "aria-label": "Graph" }, element("h3", "Graph"));
  if (description) {
    const nameOf = (index) => description.nodes[index].name;
    graph.append(new GraphView(description, (index) => table.reveal(nameOf(index))).root);
  } else graph.append(problemCard(trouble));
  place.replaceChildren(
    summary(job.result, description, network, waited),
    downloads(network, options),
    graph,
    element("section", "", { "aria-label": "Parameters" }, element("h3", "Parameters"), table.root),
  );
  await table.fill(signal);
}

function summary(result, description, network, waited) {
  const rows = [
    ["Parameters", `${count(result.num_parameters)} in ${count(result.num_tensors)} tensors${result.complete ? ", complete" : ", not complete"}`],
    ["From the GHN", coverage(result)],
    ["Model", result.model],
    ["Answer", result.cached ? `known before, found in ${duration(waited)}` : `computed in ${duration(waited)}`],
    ["Time", timings(result.timings_ms)],
    ["Digest", element("code", result.digest)],
  ];
  if (description?.input_shape.length) rows.splice(1, 0, ["Input", description.input_shape.join(" × ")]);
  if (result.defaulted.length) {
    const list = element("details", "", {}, element("summary", `${count(result.defaulted.length)} tensors hold the standard initialisation`));
    list.append(element("p", result.defaulted.join(", "), { class: "small" }));
    rows.splice(rows.findIndex(([name]) => name === "Model"), 0, ["Defaulted", list]);
  }
  return element("div", "", {}, element("h2", network.name), facts(rows));
}

function coverage(result) {
  const meter = element("meter", "", { min: 0, max: 1, value: result.coverage, "aria-label": "Coverage" });
  return element("span", "", { class: "coverage" }, meter, `${(result.coverage * 100).toFixed(result.coverage === 1 ? 0 : 2)} % of the parameters`);
}

// Stages of the worker as one line, each as long as it took.
function timings(stages) {
  const parts = Object.entries(stages).filter(([name]) => name !== "total");
  const total = parts.reduce((sum, [, ms]) => sum + ms, 0) || 1;
  const picture = svg("svg", { viewBox: "0 0 100 4", preserveAspectRatio: "none", class: "timings", "aria-hidden": "true" });
  let at = 0;
  parts.forEach(([, ms], i) => {
    picture.append(svg("rect", { x: at, y: 0, width: (ms / total) * 100, height: 4, class: `stage-${i % STAGE_COLOURS}` }));
    at += (ms / total) * 100;
  });
  const words = parts.map(([name, ms], i) => element("li", "", {}, element("span", "", { class: `swatch stage-${i % STAGE_COLOURS}` }), `${name} ${duration(ms)}`));
  return element("div", "", {}, picture, element("ul", "", { class: "legend" }, ...words));
}

function downloads(network, options) {
  const numbers = element("select", "", { "aria-label": "Number format" }, ...DTYPES.map((name) => element("option", name)));
  const status = element("p", "", { class: "quiet small", role: "status" });
  const trouble = element("div");
  const buttons = FILES.filter(([output]) => output !== "onnx" || network.kind === "onnx").map(([output, title]) => {
    const button = element("button", title, { type: "button", class: "plain", "data-output": output });
    button.addEventListener("click", async () => {
      button.disabled = true;
      trouble.replaceChildren();
      try {
        status.textContent = `Making the ${title} file…`;
        const { result } = await ask(network, { ...options, output, dtype: numbers.value }, () => {});
        status.textContent = `${title}, ${numbers.value}: ${size(result.weights.size)}, SHA-256 ${result.weights.sha256}`;
        await download(`${result.weights.url}?filename=${encodeURIComponent(network.name)}`);
      } catch (error) {
        status.textContent = "";
        trouble.replaceChildren(problemCard(error));
      }
      button.disabled = false;
    });
    return button;
  });
  return element("section", "", { "aria-label": "Download" }, element("h3", "Download"), element("div", "", { class: "bar" }, ...buttons, numbers), status, trouble);
}
