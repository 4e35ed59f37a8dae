// What jobs are called on the page.

import { KINDS } from "./kinds.js";

export const TASKS = Object.fromEntries(Object.entries(KINDS).map(([kind, { task }]) => [kind, task]));

/** @param {object} about of a job */
export function runTitle({ name, task, space }) {
  if (name) return name;
  return space ? `search of ${space}` : (TASKS[task] || task || "job").toLowerCase();
}

/** Milliseconds from the start to the end, or to now. @param {object} job @returns {number} 0 where it has not started */
export function runTime({ started_at: started, finished_at: finished }) {
  return started ? Math.max(0, (finished ? Date.parse(finished) : Date.now()) - Date.parse(started)) : 0;
}

// "27 s", "4 min 5 s", "2 h 3 min".
export function clock(milliseconds) {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min${seconds % 60 ? ` ${seconds % 60} s` : ""}`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}
