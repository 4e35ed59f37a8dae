// What the measurements of a job are drawn as: which of them share a chart, and what their lines are called.
import { LineChart } from "./chart.js";

// Field of a measurement: [chart, part]. What is not here is drawn below the others.
const CHARTS = {
  loss: ["Loss", "training"], validation_loss: ["Loss", "validation"],
  accuracy: ["Accuracy, %", "training"], training_accuracy: ["Accuracy, %", "training"], validation_accuracy: ["Accuracy, %", "validation"],
  mean: ["Accuracy of unseen networks, %", "mean"], max: ["Accuracy of unseen networks, %", "best"],
  best: ["Best score so far", ""], norm: ["Norm of the gradient", ""], rate: ["Learning rate", ""],
};
const FIRST = [...new Set(Object.values(CHARTS).map(([chart]) => chart))];
// Where a measurement was taken, or how many things it counts: no curve.
const PLACES = ["step", "seconds", "minutes", "time", "epoch", "event", "progress", "eta_seconds", "networks", "refused", "skipped", "training_images", "validation_images"];
const STARTS = ["predicted", "random"];
const COLOURS = 6;
const AXES = ["epoch", "step", "minutes", "seconds"];

const words = (field) => field.replaceAll("_", " ");

/** Measurements of one job, by chart and line. */
export class Measurements {
  constructor() {
    this.lines = new Map();
    this.axis = "step";
  }

  get isEmpty() { return this.lines.size === 0; }

  /** @param {object} data of an event of the kind `metrics` */
  add(data) {
    const axis = AXES.find((name) => typeof data[name] === "number");
    if (axis) this.axis = axis;
    const start = STARTS.includes(data.kind) ? data.kind : "";
    for (const [field, value] of Object.entries(data)) {
      if (PLACES.includes(field) || typeof value !== "number" || !Number.isFinite(value)) continue;
      const [chart, part] = CHARTS[field] || [words(field)[0].toUpperCase() + words(field).slice(1), data.kind && !start && data.kind !== "train" ? data.kind : ""];
      const key = JSON.stringify([chart, start, part]);
      if (!this.lines.has(key)) this.lines.set(key, { chart, start, part, points: [] });
      const line = this.lines.get(key);
      line.points.push([axis ? data[axis] : line.points.length, value]);
    }
  }
}

const orderOf = (chart) => (FIRST.includes(chart) ? FIRST.indexOf(chart) : FIRST.length);

/** One chart of each kind over all runs. @param {{name: string, measurements: Measurements}[]} runs @returns {HTMLElement[]} */
export function chartsOf(runs) {
  const charts = new Map(), colours = new Map();
  // A colour for each run, or for each start of each run.
  const colourOf = (run, start) => {
    const key = `${run} ${start}`;
    if (!colours.has(key)) colours.set(key, colours.size % COLOURS);
    return colours.get(key);
  };
  runs.forEach(({ name, measurements }, run) => {
    for (const { chart, start, part, points } of measurements.lines.values()) {
      if (!charts.has(chart)) charts.set(chart, { axis: measurements.axis, lines: [] });
      const { lines } = charts.get(chart);
      lines.push({ name: [runs.length > 1 && name, start && `${start} start`, part].filter(Boolean).join(", "), points, colour: colourOf(run, start), isDashed: part === "training" && measurementsHave(measurements, chart, "validation") });
    }
  });
  return [...charts].sort(([a], [b]) => orderOf(a) - orderOf(b)).map(([title, { axis, lines }]) => new LineChart(title, axis, lines).root);
}

const measurementsHave = (measurements, chart, part) => [...measurements.lines.values()].some((line) => line.chart === chart && line.part === part);
