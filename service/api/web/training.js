// Training jobs and searches, newest first; the curves of an open one grow while it runs.
import { call, download, follow, getJson, Problem } from "./api.js";
import { lineChart } from "./chart.js";
import { duration, element, facts, size } from "./dom.js";
import { inventoryParts } from "./inventory.js";
import { isFinal, withResult } from "./jobs.js";
import { problemCard } from "./problem.js";
import { searchParts } from "./ranking.js";
import { short } from "./scale.js";

const MOST_JOBS = 30;
// Where a measurement was taken, not what was measured.
const PLACES = ["step", "seconds", "minutes", "time", "epoch", "event", "progress", "eta_seconds", "networks"];
const REDRAW_MS = 250;

const title = ({ name, space }) => name || (space ? `search of ${space}` : "");

class TrainingJob {
  /**
   * @param {object} job
   * @param {(architecture: object) => void} onOpen called with an architecture that is chosen in a result
   */
  constructor(job, onOpen) {
    Object.assign(this, { job, onOpen });
    this.series = new Map();
    this.tag = element("span");
    this.name = element("strong", title(job.about));
    this.said = element("span", "", { class: "quiet" });
    this.result = element("div");
    this.images = element("div");
    this.charts = element("div", "", { class: "charts" });
    this.bar = element("progress", "", { "aria-label": "Progress" });
    this.cancel = element("button", "Cancel", { type: "button", class: "plain" });
    this.cancel.addEventListener("click", () => this.stop());
    this.trouble = element("div");
    const when = new Date(job.created_at).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
    const summary = element("summary", "", {}, this.tag, " ", this.name, element("span", ` ${[job.about.name && job.about.task, when].filter(Boolean).join(" · ")} `), this.said);
    this.root = element("details", "", { class: "job" }, summary, this.bar, this.images, this.result, this.charts, this.trouble, this.cancel,
      element("p", `Job ${job.id}`, { class: "quiet small" }));
    this.root.addEventListener("toggle", () => (this.root.open ? this.open() : this.close()));
    this.show(job.status, job.progress);
  }

  show(status, progress) {
    this.tag.textContent = status;
    this.tag.className = `tag ${status}`;
    this.cancel.hidden = this.bar.hidden = isFinal({ status });
    if (progress?.total) Object.assign(this.bar, { max: progress.total, value: progress.done });
    if (progress?.message) this.said.textContent = isFinal({ status }) ? progress.message : progress.message + this.left(progress);
  }

  // The rest of the work at the pace so far.
  left({ done, total }) {
    const elapsed = Date.now() - Date.parse(this.job.started_at || this.job.created_at);
    return done > 0 && total > done && elapsed > 0 ? `, about ${duration((elapsed * (total - done)) / done)} left` : "";
  }

  async open() {
    this.reading?.abort();
    this.reading = new AbortController();
    const { signal } = this.reading;
    this.series.clear();
    this.trouble.replaceChildren();
    try {
      const ended = await follow(this.job, (event, data) => this.heard(event, data), signal);
      this.finish(await withResult(ended, signal));
    } catch (error) {
      if (error.name !== "AbortError") this.trouble.replaceChildren(problemCard(error));
    }
  }

  finish(job) {
    this.job = job;
    this.show(job.status, job.progress);
    this.draw();
    if (job.error) this.trouble.replaceChildren(problemCard(new Problem(job.error)));
    if (job.result) this.showResult(job.result);
    if (!this.series.size && !job.error && !job.result) this.charts.replaceChildren(element("p", "No measurements were kept.", { class: "quiet" }));
  }

  showResult(result) {
    if (result.best) {
      this.result.replaceChildren(...searchParts(result, this.onOpen));
      return;
    }
    const rows = Object.entries(result).filter(([name, value]) => !["model", "kind", "digest"].includes(name) && ["number", "string"].includes(typeof value));
    this.result.replaceChildren(facts(rows.map(([name, value]) => [name.replaceAll("_", " "), typeof value === "number" ? short(value) : value])));
    if (result.inventory) this.images.replaceChildren(...inventoryParts(result.inventory));
    if (result.verdict) this.result.append(element("p", result.verdict.sentence));
    for (const start of ["predicted", "random"]) if (result[start]) this.result.append(element("p", `From the ${start} start: ${short(result[start].test_accuracy)} % of the test images.`));
    if (result.weights) this.result.append(this.weights(result.weights));
  }

  // Of a network that was trained.
  weights({ url, size: bytes }) {
    const button = element("button", `Download the weights (${size(bytes)})`, { type: "button", class: "plain" });
    button.addEventListener("click", () => download(`${url}?filename=${encodeURIComponent(this.job.about.name || "weights")}`)
      .catch((error) => this.trouble.replaceChildren(problemCard(error))));
    return button;
  }

  close() {
    this.reading?.abort();
  }

  heard(event, data) {
    if (event === "state") this.show(data.status);
    if (event === "progress") this.show("running", data);
    if (event !== "metrics") return;
    if (data.kind === "data") {
      this.images.replaceChildren(...inventoryParts(data));
      return;
    }
    const at = Number(data.step ?? data.epoch ?? data.minutes ?? data.seconds ?? this.series.size);
    const group = data.kind && data.kind !== "train" ? `${data.kind} ` : "";
    for (const [field, value] of Object.entries(data)) {
      if (PLACES.includes(field) || typeof value !== "number" || !Number.isFinite(value)) continue;
      const name = group + field;
      if (!this.series.has(name)) this.series.set(name, []);
      this.series.get(name).push([at, value]);
    }
    this.timer ||= setTimeout(() => this.draw(), REDRAW_MS);
  }

  draw() {
    this.timer = null;
    const known = [...this.series].filter(([, points]) => points.length);
    if (known.length) this.charts.replaceChildren(...known.map(([name, points]) => lineChart(name.replaceAll("_", " "), points)));
  }

  async stop() {
    this.cancel.disabled = true;
    try {
      await call(this.job.links.self, { method: "DELETE" });
      this.said.textContent = "stopping";
    } catch (error) {
      this.trouble.replaceChildren(problemCard(error));
      this.cancel.disabled = false;
    }
  }
}

// A list that is asked for again keeps the jobs that are open, with their curves.
export class TrainingList {
  /** @param {HTMLElement} place @param {(architecture: object) => void} onOpen */
  constructor(place, onOpen) {
    Object.assign(this, { place, onOpen, known: new Map() });
  }

  async refresh() {
    try {
      const { jobs } = await getJson(`/training-jobs?limit=${MOST_JOBS}`);
      const isFirst = this.known.size === 0;
      this.show(jobs);
      const running = jobs.find((job) => job.status === "running");
      if (isFirst && running) this.known.get(running.id).root.open = true;
    } catch (error) {
      this.place.replaceChildren(problemCard(error));
      this.known.clear();
      if (!(error instanceof Problem)) throw error;
    }
  }

  show(jobs) {
    const shown = jobs.map((job) => {
      const known = this.known.get(job.id) || new TrainingJob(job, this.onOpen);
      if (!known.root.open) known.show(job.status, job.progress);
      return known;
    });
    this.known = new Map(shown.map((each) => [each.job.id, each]));
    const nothing = element("p", "No job yet.", { class: "quiet" });
    this.place.replaceChildren(...(shown.length ? shown.map((each) => each.root) : [nothing]));
  }

  /** A job that was just made: first of the list, and open. @param {object} job */
  add(job) {
    const made = new TrainingJob(job, this.onOpen);
    this.known = new Map([[job.id, made], ...this.known]);
    this.place.replaceChildren(...[...this.known.values()].map((each) => each.root));
    made.root.open = true;
  }
}
