// From a request to the end of its job.
import { follow, getJson, Problem } from "./api.js";
import { element } from "./dom.js";

const FINAL = ["succeeded", "failed", "cancelled"];

/** @param {{status: string}} job */
export const isFinal = (job) => FINAL.includes(job.status);

/** A job's own record, which has the result that lists leave out. */
export const withResult = (job, signal) =>
  (job.status === "succeeded" && !job.result ? getJson(job.links.self, { signal }) : job);

/**
 * Ask for something and follow its job.
 * @param {string} path
 * @param {RequestInit} init
 * @param {(progress: {done?: number, total?: number, message?: string}, status: string) => void} onProgress
 * @param {AbortSignal} [signal]
 * @returns {Promise<object>} the job, which has succeeded; Problem otherwise
 */
export async function runJob(path, init, onProgress, signal) {
  const headers = { Prefer: "respond-async", ...init.headers };
  let job = await getJson(path, { ...init, headers, signal });
  if (!isFinal(job)) {
    onProgress(job.progress, job.status);
    job = await follow(job, (event, data) => {
      if (event === "progress") onProgress(data, "running");
      if (event === "state") onProgress({}, data.status);
    }, signal);
  }
  if (job.status === "succeeded") return withResult(job, signal);
  throw new Problem(job.error || { title: `The job is ${job.status}`, detail: "It gave no answer." });
}

/** What stands where an answer will be. */
export class Waiting {
  /** @param {string} doing such as "Predicting" */
  constructor(doing) {
    this.doing = doing;
    this.title = element("h3", "Sending");
    this.bar = element("progress", "", { "aria-label": doing });
    this.text = element("p", "", { class: "quiet" });
    this.root = element("div", "", { role: "status" }, this.title, this.bar, this.text);
  }

  show(progress, status) {
    this.title.textContent = status === "queued" ? "Waiting for a worker" : this.doing;
    if (progress?.total) Object.assign(this.bar, { max: progress.total, value: progress.done });
    if (progress?.message) this.text.textContent = progress.message;
  }
}
