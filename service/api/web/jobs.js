// From a request to the end of its job.
import { call, follow, getJson, Problem } from "./api.js";
import { duration, element } from "./dom.js";

const FINAL = ["succeeded", "failed", "cancelled"];
const TICK_MS = 500;

/** @param {{status: string}} job */
export const isFinal = (job) => FINAL.includes(job.status);

/** A job's own record, which has the result that lists leave out. */
export const withResult = (job, signal) =>
  (job.status === "succeeded" && !job.result ? getJson(job.links.self, { signal }) : job);

/**
 * Ask for something and follow its job.
 * @param {string} path
 * @param {RequestInit} init
 * @param {Waiting | null} waiting shows how far it is
 * @param {AbortSignal} [signal]
 * @returns {Promise<object>} the job, which has succeeded; Problem otherwise
 */
export async function runJob(path, init, waiting = null, signal = undefined) {
  const headers = { Prefer: "respond-async", ...init.headers };
  let job = await getJson(path, { ...init, headers, signal });
  if (!isFinal(job)) {
    waiting?.follow(job);
    waiting?.show(job.progress, job.status);
    job = await follow(job, (event, data) => {
      if (event === "progress") waiting?.show(data, "running");
      if (event === "state") waiting?.show({}, data.status);
    }, signal);
  }
  if (job.status === "succeeded") return withResult(job, signal);
  throw new Problem(job.error || { title: `The job was ${job.status}`, detail: "It has no result." });
}

/** What stands where an answer will be: how far it is, since when, and a way to stop it. */
export class Waiting {
  /** @param {string} doing such as "Predicting" */
  constructor(doing) {
    this.doing = doing;
    this.title = element("h3", "Sending");
    this.bar = element("progress", "", { "aria-label": doing });
    this.text = element("p", "", { class: "quiet" });
    this.elapsed = element("span", "0 s", { class: "quiet" });
    this.cancel = element("button", "Cancel", { type: "button", class: "plain" });
    this.cancel.addEventListener("click", () => this.stop());
    this.root = element("div", "", { role: "status" }, this.title, this.bar, element("div", "", { class: "bar" }, this.text, this.elapsed, this.cancel));
    this.cancel.hidden = true;
    this.started = performance.now();
    // Ends with the picture: nothing else knows when it is taken away.
    this.clock = setInterval(() => {
      if (!this.root.isConnected) clearInterval(this.clock);
      else this.elapsed.textContent = duration(1000 * Math.round((performance.now() - this.started) / 1000));
    }, TICK_MS);
  }

  follow(job) {
    this.job = job;
    this.cancel.hidden = false;
  }

  async stop() {
    this.cancel.disabled = true;
    this.title.textContent = "Cancelling";
    // The end of the job says the rest.
    await call(this.job.links.self, { method: "DELETE" }).catch(() => { this.cancel.disabled = false; });
  }

  show(progress, status) {
    this.title.textContent = status === "queued" ? "Waiting for a worker" : this.doing;
    if (progress?.total) Object.assign(this.bar, { max: progress.total, value: progress.done });
    if (progress?.message) this.text.textContent = progress.message;
  }
}
