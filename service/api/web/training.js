// Training jobs and searches, newest first; the curves of an open one grow while it runs.
import { getJson, Problem } from "./api.js";
import { comparisonParts } from "./comparison.js";
import { element } from "./dom.js";
import { problemCard } from "./problem.js";
import { Run } from "./run.js";
import { TASKS } from "./run_words.js";

const MOST_JOBS = 50;
const FEWEST = 2;
const STATES = ["queued", "running", "succeeded", "failed", "cancelled"];
const at = (id) => document.getElementById(id);

// A list that is asked for again keeps the jobs that are open, with their curves.
export class TrainingList {
  /** @param {HTMLElement} place @param {(architecture: object) => void} onOpen */
  constructor(place, onOpen) {
    Object.assign(this, { place, known: new Map(), task: at("job-task"), status: at("job-status"), compare: at("compare"), comparison: at("comparison") });
    this.acts = { onOpen, onTick: () => this.offerComparison(), onDelete: () => this.refresh() };
    this.task.append(...Object.entries(TASKS).map(([value, title]) => element("option", title, { value })));
    this.status.append(...STATES.map((state) => element("option", state)));
    for (const select of [this.task, this.status]) select.addEventListener("change", () => this.narrow());
    this.compare.addEventListener("click", () => this.showComparison());
  }

  /** @param {string} [wanted] id of a job to open */
  async refresh(wanted = "") {
    try {
      const { jobs } = await getJson(`/training-jobs?limit=${MOST_JOBS}`);
      const isFirst = this.known.size === 0;
      this.show(jobs);
      const running = jobs.find((job) => job.status === "running");
      const opened = this.known.get(wanted) || (isFirst && running ? this.known.get(running.id) : null);
      if (opened) opened.fold.open = true;
    } catch (error) {
      this.place.replaceChildren(problemCard(error));
      this.known.clear();
      if (!(error instanceof Problem)) throw error;
    }
  }

  show(jobs) {
    this.arrange(jobs.map((job) => {
      const known = this.known.get(job.id) || new Run(job, this.acts);
      if (!known.fold.open) {
        known.job = { ...known.job, ...job };
        known.show(job.status, job.progress);
      }
      return known;
    }));
  }

  arrange(runs) {
    this.known = new Map(runs.map((run) => [run.job.id, run]));
    const nothing = element("p", "No job yet. Start one above, or fine-tune a network from the Predict view.", { class: "quiet" });
    this.place.replaceChildren(...(runs.length ? runs.map(({ root }) => root) : [nothing]));
    this.narrow();
    this.offerComparison();
  }

  narrow() {
    for (const { job, root, tag } of this.known.values()) {
      root.hidden = Boolean((this.task.value && job.about.task !== this.task.value) || (this.status.value && tag.textContent !== this.status.value));
    }
  }

  get ticked() { return [...this.known.values()].filter(({ tick }) => tick.checked); }

  offerComparison() {
    const { length } = this.ticked;
    this.compare.disabled = length < FEWEST;
    at("compare-said").textContent = length < FEWEST ? "Tick two or more jobs to compare them." : `${length} ticked`;
    if (length < FEWEST) this.comparison.hidden = true;
  }

  async showComparison() {
    this.comparison.hidden = false;
    this.comparison.replaceChildren(element("p", "Reading the measurements…", { class: "quiet" }));
    try {
      // Oldest first, as they were started.
      const runs = await Promise.all(this.ticked.reverse().map((run) => run.read()));
      this.comparison.replaceChildren(...comparisonParts(runs));
    } catch (error) {
      this.comparison.replaceChildren(problemCard(error));
      if (!(error instanceof Problem)) throw error;
    }
  }

  /** A job that was just made: first of the list, and open. @param {object} job */
  add(job) {
    const made = new Run(job, this.acts);
    this.arrange([made, ...this.known.values()]);
    made.fold.open = true;
    made.root.scrollIntoView({ block: "nearest" });
  }
}
