// One training job or search of the list: its state, and when it is open its curves and its result.
import { call, download, follow, Problem } from "./api.js";
import { copyButton } from "./copy.js";
import { count, element, figures, size } from "./dom.js";
import { inventoryParts } from "./inventory.js";
import { isFinal, withResult } from "./jobs.js";
import { chartsOf, Measurements } from "./measurements.js";
import { problemCard } from "./problem.js";
import { searchParts } from "./ranking.js";
import { clock, runTime, runTitle, TASKS } from "./run_words.js";
import { short } from "./scale.js";

const REDRAW_MS = 300;
// The past of a job comes at once.
const SO_FAR_MS = 1500;
const UNTOLD = ["model", "kind", "digest", "seed", "format"];
const PERCENT = /accuracy$/;

const valueText = (name, value) => (typeof value !== "number" ? value : Number.isInteger(value) && !PERCENT.test(name) ? count(value) : `${short(value)}${PERCENT.test(name) ? "%" : ""}`);

/** The numbers and words of a result. @param {object} result @returns {[string, string][]} */
export const scalars = (result) => Object.entries(result)
  .filter(([name, value]) => !UNTOLD.includes(name) && ["number", "string"].includes(typeof value))
  .map(([name, value]) => [name.replaceAll("_", " "), valueText(name, value)]);

export class Run {
  /**
   * @param {object} job
   * @param {{onOpen: Function, onTick: Function, onDelete: Function}} acts
   */
  constructor(job, acts) {
    Object.assign(this, { job, acts, measurements: new Measurements() });
    this.tag = element("span");
    this.said = element("span", "", { class: "quiet" });
    this.images = element("div");
    this.result = element("div");
    this.charts = element("div", "", { class: "charts" });
    this.bar = element("progress", "", { "aria-label": "Progress" });
    this.trouble = element("div");
    this.cancel = this.button("Cancel", () => this.stop());
    this.remove = this.button("Delete", () => this.delete());
    const title = runTitle(job.about), task = TASKS[job.about.task] || job.about.task || "";
    const when = new Date(job.created_at).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
    this.tick = element("input", "", { type: "checkbox", "aria-label": `Compare ${title}, ${when}` });
    this.tick.addEventListener("change", () => acts.onTick());
    const summary = element("summary", "", {}, this.tag, " ", element("strong", title), element("span", ` ${[job.about.name && task, when].filter(Boolean).join(" · ")} `), this.said);
    this.fold = element("details", "", { class: "job" }, summary, this.bar, this.trouble, this.result, this.charts, this.images,
      element("div", "", { class: "bar" }, this.cancel, this.remove, copyButton(() => `${location.origin}/#train/${job.id}`, "Copy link"), element("span", `Job ${job.id}`, { class: "quiet small" })));
    this.fold.addEventListener("toggle", () => (this.fold.open ? this.open() : this.close()));
    this.root = element("div", "", { class: "run" }, this.tick, this.fold);
    this.show(job.status, job.progress);
  }

  button(text, act) {
    const made = element("button", text, { type: "button", class: "plain" });
    made.addEventListener("click", act);
    return made;
  }

  show(status, progress) {
    const ended = isFinal({ status });
    this.tag.textContent = status;
    this.tag.className = `tag ${status}`;
    this.cancel.hidden = this.bar.hidden = ended;
    this.remove.hidden = !ended;
    if (progress?.total) Object.assign(this.bar, { max: progress.total, value: progress.done });
    // How far a job was says nothing once it is over; how long it took does.
    if (ended) this.said.textContent = runTime(this.job) && this.job.finished_at ? `· ${clock(runTime(this.job))}` : "";
    else if (progress?.message) this.said.textContent = `· ${progress.message}${this.left(progress)}`;
  }

  // The rest of the work at the pace so far.
  left({ done, total }) {
    const elapsed = runTime(this.job);
    return done > 0 && total > done && elapsed > 0 ? `, about ${clock((elapsed * (total - done)) / done)} left` : "";
  }

  async open() {
    this.reading?.abort();
    this.reading = new AbortController();
    const { signal } = this.reading;
    this.measurements = new Measurements();
    this.trouble.replaceChildren();
    try {
      this.finish(await this.ended((event, data) => this.heard(event, data), signal));
    } catch (error) {
      if (error.name !== "AbortError") this.trouble.replaceChildren(problemCard(error));
    }
  }

  async ended(onEvent, signal) {
    return withResult(await follow(this.job, onEvent, signal), signal);
  }

  /** Measurements and result, for a comparison; of a job that runs, those so far. */
  async read() {
    const measurements = new Measurements(), reading = new AbortController();
    if (!isFinal(this.job)) setTimeout(() => reading.abort(), SO_FAR_MS);
    const add = (event, data) => { if (event === "metrics" && data.kind !== "data") measurements.add(data); };
    const job = await this.ended(add, reading.signal).catch((error) => {
      if (error.name !== "AbortError") throw error;
      return this.job;
    });
    return { name: runTitle(job.about), measurements, job };
  }

  close() {
    this.reading?.abort();
  }

  finish(job) {
    this.job = job;
    this.show(job.status, job.progress);
    this.draw();
    if (job.error) this.trouble.replaceChildren(problemCard(new Problem(job.error)));
    if (job.result) this.showResult(job.result);
    if (this.measurements.isEmpty && !job.error && !job.result) this.charts.replaceChildren(element("p", "No measurements were kept.", { class: "quiet" }));
  }

  showResult(result) {
    if (result.best) {
      this.result.replaceChildren(...searchParts(result, this.acts.onOpen));
      return;
    }
    const parts = [];
    if (result.verdict) parts.push(element("p", result.verdict.sentence, { class: `verdict ${result.verdict.better || ""}` }));
    const starts = ["predicted", "random"].filter((start) => result[start]).map((start) => [`test accuracy, ${start} start`, `${short(result[start].test_accuracy)}%`]);
    parts.push(figures([...scalars(result), ...starts]));
    if (result.weights) parts.push(this.weights(result.weights));
    if (result.inventory) this.images.replaceChildren(...inventoryParts(result.inventory));
    this.result.replaceChildren(...parts);
  }

  // Of a network that was trained.
  weights({ url, size: bytes }) {
    return this.button(`Download the weights (${size(bytes)})`, () => download(`${url}?filename=${encodeURIComponent(this.job.about.name || "weights")}`)
      .catch((error) => this.trouble.replaceChildren(problemCard(error))));
  }

  heard(event, data) {
    if (event === "state") this.show(data.status);
    if (event === "progress") this.show("running", data);
    if (event !== "metrics") return;
    if (data.kind === "data") {
      this.images.replaceChildren(...inventoryParts(data));
      return;
    }
    this.measurements.add(data);
    this.timer ||= setTimeout(() => this.draw(), REDRAW_MS);
  }

  draw() {
    this.timer = null;
    if (!this.measurements.isEmpty) this.charts.replaceChildren(...chartsOf([{ name: "", measurements: this.measurements }]));
  }

  async stop() {
    this.cancel.disabled = true;
    try {
      await call(this.job.links.self, { method: "DELETE" });
      this.said.textContent = "· stopping";
    } catch (error) {
      this.trouble.replaceChildren(problemCard(error));
      this.cancel.disabled = false;
    }
  }

  // Twice, because nothing brings it back.
  async delete() {
    if (this.remove.textContent === "Delete") {
      this.remove.textContent = "Delete for good?";
      return;
    }
    this.remove.disabled = true;
    try {
      await call(`/training-jobs/${this.job.id}`, { method: "DELETE" });
      this.acts.onDelete();
    } catch (error) {
      this.trouble.replaceChildren(problemCard(error));
      this.remove.disabled = false;
    }
  }
}
