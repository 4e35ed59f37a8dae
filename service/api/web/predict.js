// One prediction from the form to the page. What is looked at is the small `tiles` answer; other files are made
// when they are asked for.
import { getJson } from "./api.js";
import { codeBox } from "./code_box.js";
import { element } from "./dom.js";
import { downloads } from "./downloads.js";
import { GraphView } from "./graph.js";
import { runJob, Waiting } from "./jobs.js";
import { LayerTable } from "./layers.js";
import { problemCard } from "./problem.js";
import { Summary } from "./summary.js";
import { snippets } from "./use_it.js";

const section = (title, ...children) => element("section", "", { "aria-label": title }, element("h3", title), ...children);

/**
 * Show everything about one network in `place`. Throws Problems.
 * @param {import("./source.js").Network} network
 * @param {object} options of the prediction
 * @param {HTMLElement} place
 * @param {(job: object) => HTMLElement[]} actionsOf what can be done with the network, once its job is known
 * @param {AbortSignal} signal
 */
export async function predict(network, options, place, actionsOf, signal) {
  const waiting = new Waiting("Predicting");
  place.replaceChildren(waiting.root);
  const started = performance.now();
  // A network of torchvision is known to the service once its worker has built it; any other one at once.
  const describe = () => getJson("/describe-architecture", { ...network.send({}), signal });
  let described = network.kind === "torchvision" ? null : describe();
  described?.catch(() => {});
  const job = await runJob("/predict-weights", network.send({ ...options, output: "tiles", dtype: "float32" }), waiting, signal);
  const waited = performance.now() - started;
  described ||= describe();
  const [description, trouble] = await described.then((value) => [value, null], (error) => [null, error]);
  await show({ network, options, result: job.result, description, trouble, waited }, place, actionsOf(job), signal);
}

/** The answer of a job that was linked to; its network is not known any more. @param {object} job */
export async function showAnswer(job, place, signal) {
  const network = { name: job.about.name || "network", kind: "job" };
  await show({ network, options: {}, result: job.result, description: null, trouble: null, waited: 0 }, place, [], signal);
}

async function show({ network, options, result, description, trouble, waited }, place, actions, signal) {
  const table = new LayerTable(result, description);
  const summary = new Summary({ network, result, description, waited }, actions);
  const parts = [summary.root];
  if (network.send) {
    parts.push(downloads(network, options, result));
    parts.push(section("Use it", codeBox("Code for the same prediction", snippets(network, options))));
  }
  if (description) parts.push(section("Graph", new GraphView(description, (name) => table.reveal(name)).root));
  else if (trouble) parts.push(section("Graph", problemCard(trouble)));
  parts.push(section("Parameters", table.root));
  place.replaceChildren(...parts);
  await table.fill(signal);
}
