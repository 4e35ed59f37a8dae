// Several runs side by side: their curves in one chart each, their numbers in one table.
import { element, grid } from "./dom.js";
import { chartsOf } from "./measurements.js";
import { scalars } from "./run.js";
import { clock, runTime, TASKS } from "./run_words.js";

// Runs of one name are told apart by a number.
function labelled(runs) {
  const names = runs.map(({ name }) => name);
  return runs.map((run, i) => ({ ...run, name: names.filter((name) => name === run.name).length > 1 ? `${run.name} ${i + 1}` : run.name }));
}

/** @param {{name: string, measurements: object, job: object}[]} runs @returns {Node[]} */
export function comparisonParts(runs) {
  const shown = labelled(runs);
  const values = shown.map(({ job }) => new Map([["kind", TASKS[job.about.task] || job.about.task], ["state", job.status], ["took", clock(runTime(job))],
    ["started", job.started_at ? new Date(job.started_at).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" }) : "–"], ...scalars(job.result || {})]));
  const rows = [...new Set(values.flatMap((each) => [...each.keys()]))].map((name) => [name, values.map((each) => each.get(name) ?? "–")]);
  const table = rows.map(([name, cells]) => {
    const head = element("th", name, { scope: "row" });
    const isDifferent = cells.some((cell) => cell !== cells[0]);
    return [head, ...cells.map((cell) => element("td", cell, { class: isDifferent ? "different" : "" }))];
  });
  return [element("h3", `Comparison of ${shown.length} runs`), element("div", "", { class: "charts" }, ...chartsOf(shown)),
    grid(["", ...shown.map(({ name }) => name)], table, { class: "compared" }, "Numbers of the runs")];
}
