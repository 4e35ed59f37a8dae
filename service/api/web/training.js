// Training jobs, newest first; the curves of an open one grow while it runs.
import { call, follow, getJson } from "./api.js";
import { lineChart } from "./chart.js";
import { element } from "./dom.js";
import { problemCard } from "./problem.js";

const RUNNING = ["queued", "running"];
const PLACES = ["step", "seconds", "minutes", "time", "epoch", "event"];
const REDRAW_MS = 250;

class TrainingJob {
  constructor(job) {
    this.job = job;
    this.series = new Map();
    this.tag = element("span", job.status, { class: `tag ${job.status}` });
    this.said = element("span", "", { class: "quiet" });
    this.charts = element("div", "", { class: "charts" });
    this.bar = element("progress", "", { "aria-label": "Progress" });
    this.cancel = element("button", "Cancel", { type: "button", class: "plain" });
    this.cancel.addEventListener("click", () => this.stop());
    this.trouble = element("div");
    const when = new Date(job.created_at).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
    const title = element("summary", "", {}, this.tag, ` ${when} `, this.said);
    this.root = element("details", "", {}, title, this.bar, this.charts, this.trouble, this.cancel, element("p", `Job ${job.id}`, { class: "quiet small" }));
    this.root.addEventListener("toggle", () => (this.root.open ? this.open() : this.close()));
    this.show(job.status, job.progress);
  }

  show(status, progress) {
    this.tag.textContent = status;
    this.tag.className = `tag ${status}`;
    this.cancel.hidden = this.bar.hidden = !RUNNING.includes(status);
    if (progress?.total) Object.assign(this.bar, { max: progress.total, value: progress.done });
    if (progress?.message) this.said.textContent = progress.message;
  }

  async open() {
    this.reading?.abort();
    this.reading = new AbortController();
    this.series.clear();
    try {
      const ended = await follow(this.job, (event, data) => this.heard(event, data), this.reading.signal);
      this.show(ended.status, ended.progress);
      this.draw();
      if (ended.error) this.trouble.replaceChildren(problemCard({ document: ended.error, message: ended.error.detail }));
      if (!this.series.size && !ended.error) this.charts.replaceChildren(element("p", "No measurements were kept.", { class: "quiet" }));
    } catch (error) {
      if (error.name !== "AbortError") this.trouble.replaceChildren(problemCard(error));
    }
  }

  close() {
    this.reading?.abort();
  }

  heard(event, data) {
    if (event === "state") this.show(data.status);
    if (event === "progress") this.show("running", data);
    if (event !== "metrics") return;
    const at = Number(data.step ?? data.minutes ?? data.seconds ?? this.series.size);
    for (const [name, value] of Object.entries(data)) {
      if (PLACES.includes(name) || typeof value !== "number" || !Number.isFinite(value)) continue;
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
    try {
      await call(this.job.links.self, { method: "DELETE" });
    } catch (error) {
      this.trouble.replaceChildren(problemCard(error));
    }
  }
}

export async function listTraining(place) {
  try {
    const { jobs } = await getJson("/training-jobs?limit=20");
    const shown = jobs.map((job) => new TrainingJob(job));
    const nothing = element("p", "No training job yet. Start one with POST /training-jobs or weightcast train.", { class: "quiet" });
    place.replaceChildren(...(shown.length ? shown.map((job) => job.root) : [nothing]));
    const running = shown.find((each) => each.job.status === "running");
    if (running) running.root.open = true;
  } catch (error) {
    place.replaceChildren(problemCard(error));
  }
}
