// Says at the top of the page when the service cannot work, and why.
const EVERY_MS = 20_000;
const LONGEST_MS = 10_000;

/** @param {object | null} readiness answer of /readyz, null for none @returns {string} nothing where all is well */
export function troubleOf(readiness) {
  if (!readiness) return "The service does not answer. Is it still running?";
  const { redis, workers, disk } = readiness.checks;
  if (!redis.ok) return "The service has lost its job store (Redis). New jobs cannot be taken now.";
  const idle = ["predict", "rank", "training"].filter((queue) => workers[queue] === 0);
  if (idle.length) return `No worker serves the queue ${idle.join(", ")}. Jobs of this kind have to wait.`;
  return disk.ok ? "" : "The service's disk is nearly full.";
}

async function readiness() {
  try {
    // 503 is an answer too: it says what is missing.
    const answer = await (await fetch("/readyz", { signal: AbortSignal.timeout(LONGEST_MS) })).json();
    return answer.checks ? answer : null;
  } catch {
    return null;
  }
}

/** @param {HTMLElement} place */
export function watchHealth(place) {
  const look = async () => {
    if (document.hidden) return;
    const trouble = troubleOf(await readiness());
    if (place.textContent !== trouble) place.textContent = trouble;
    place.hidden = !trouble;
  };
  document.addEventListener("visibilitychange", look);
  document.addEventListener("no-answer", look);
  setInterval(look, EVERY_MS);
  look();
}
