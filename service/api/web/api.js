// The page talks to the same API as everybody else.

let key = "";
export const setKey = (value) => { key = value; };
const authorization = () => (key ? `Bearer ${key}` : null);

/** A problem document (RFC 9457) of the service, or of the page itself, whose titles are of the case. */
export class Problem extends Error {
  constructor(document) {
    super(document.detail || document.title || "The service gave no reason.");
    this.document = { own: !document.type, ...document };
  }
}

export async function call(path, options = {}) {
  const headers = new Headers(options.headers);
  if (key) headers.set("Authorization", authorization());
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    document.dispatchEvent(new Event("no-answer"));
    throw new Problem({ title: "No answer", detail: "The service does not answer.", hint: "Is it still running?" });
  }
  if (response.ok) return response;
  const isJson = (response.headers.get("Content-Type") || "").includes("json");
  const problem = new Problem(isJson ? await response.json() : { title: `Error ${response.status}`, detail: await response.text() });
  // None, or one that is not known, or that may not do this. Requests on their way when another key was entered ask for nothing.
  if ((response.status === 401 || (key && response.status === 403)) && headers.get("Authorization") === authorization()) {
    document.dispatchEvent(new CustomEvent("key-wanted", { detail: problem }));
  }
  throw problem;
}

export const getJson = async (path, options) => (await call(path, options)).json();

// Server-sent events over fetch, because EventSource cannot send a key. Yields {id, event, data}.
async function* events(path, lastId, signal) {
  const headers = lastId ? { "Last-Event-ID": lastId } : {};
  const response = await call(path, { headers, signal });
  if (response.status === 204) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const fields = Object.fromEntries(part.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]));
      if (fields.event) yield { id: fields.id, event: fields.event, data: JSON.parse(fields.data) };
    }
  }
}

// Tell `onEvent` everything that happens to a job until it ends; the job as it ended.
export async function follow(job, onEvent, signal) {
  let last = "";
  for (;;) {
    try {
      for await (const { id, event, data } of events(`${job.links.self}/events`, last, signal)) {
        if (event === "end" && data) return data;
        last = id || last;
        onEvent(event, data);
      }
    } catch (error) {
      // A line that broke, or no stream to be had: the job itself can still be asked for.
      if (error.name === "AbortError") throw error;
      if (error instanceof Problem && error.document.status && ![429, 503].includes(error.document.status)) throw error;
    }
    const now = await getJson(`${job.links.self}?wait=5`, { signal });
    if (["succeeded", "failed", "cancelled"].includes(now.status)) return now;
    if (now.progress) onEvent("progress", now.progress);
  }
}

export async function download(path) {
  if (!key) {
    location.assign(path);
    return;
  }
  // A key travels in a header, which a plain link cannot send.
  const response = await call(path);
  const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") || "");
  const address = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = name ? name[1] : "weights";
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}
