// A call of the API from its own documentation, and the same call as a curl command.
import { call, Problem } from "./api.js";
import { codeBox } from "./code_box.js";
import { duration, element, size } from "./dom.js";

const MOST_SHOWN = 20_000;
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** @param {object} operation @returns {[string, object][]} [media type, body] of what it takes that can be typed */
const typedBodies = (operation) => Object.entries(operation.requestBody?.content || {}).filter(([media]) => /json/.test(media));

function firstExample(body, indent = 2) {
  const example = body.example ?? Object.values(body.examples || {})[0]?.value;
  return example === undefined ? "" : typeof example === "string" ? example : JSON.stringify(example, null, indent);
}

const exampleOf = ({ example, schema = {} }) => example ?? schema.examples?.[0] ?? "";

function pathWith(path, values) {
  const query = new URLSearchParams(values.filter(({ where, value }) => where === "query" && value !== "").map(({ name, value }) => [name, value]));
  const filled = values.filter(({ where }) => where === "path").reduce((text, { name, value }) => text.replace(`{${name}}`, encodeURIComponent(value)), path);
  return query.size ? `${filled}?${query}` : filled;
}

/** @param {string} path @param {string} method @param {object} operation @returns {string} */
export function curlOf(path, method, operation, hasKey) {
  const words = [`curl -s${method === "get" ? "" : ` -X ${method.toUpperCase()}`}`];
  const values = (operation.parameters || []).filter((each) => each.in === "path").map((each) => ({ name: each.name, where: "path", value: exampleOf(each) || each.name.toUpperCase() }));
  words.push(quoted(location.origin + pathWith(path, values)));
  if (hasKey) words.push("-H \"Authorization: Bearer $WEIGHTCAST_API_KEY\"");
  const content = operation.requestBody?.content || {}, [typed] = typedBodies(operation);
  if (typed) words.push(`-H 'Content-Type: ${typed[0]}'`, `-d ${quoted(firstExample(typed[1], 0) || "{}")}`);
  else if (content["multipart/form-data"]) words.push("-F architecture=@network.onnx");
  return `${words.join(" \\\n  ")}\n`;
}

export class TryIt {
  constructor(path, method, operation) {
    Object.assign(this, { path, method });
    this.inputs = (operation.parameters || []).filter((each) => each.in !== "cookie" && each.name !== "X-API-Key").map((each) => {
      const input = element("input", "", { spellcheck: "false", autocomplete: "off", ...(each.in === "path" ? { value: exampleOf(each) } : { placeholder: String(exampleOf(each)) }) });
      return { name: each.name, where: each.in, isRequired: each.required, input };
    });
    const bodies = typedBodies(operation);
    this.media = element("select", "", { "aria-label": "Kind of body" }, ...bodies.map(([media]) => element("option", media)));
    this.body = bodies.length ? element("textarea", "", { rows: "8", spellcheck: "false", "aria-label": "Body" }) : null;
    const fill = () => { this.body.value = firstExample(bodies[this.media.selectedIndex][1]); };
    if (this.body) {
      fill();
      this.media.addEventListener("change", fill);
    }
    this.answer = element("div", "", { role: "status" });
    const form = element("form", "", { class: "try" }, element("div", "", { class: "options" }, ...this.inputs.map(({ name, where, isRequired, input }) =>
      element("label", `${name} (${where}${isRequired ? ", required" : ""})`, {}, input))), ...(this.body ? [...(bodies.length > 1 ? [this.media] : []), this.body] : []),
      element("button", "Send", { type: "submit" }), this.answer);
    form.addEventListener("submit", (event) => { event.preventDefault(); this.send(); });
    this.root = element("details", "", { class: "try-it" }, element("summary", "Try it"), form);
  }

  async send() {
    const values = this.inputs.map(({ name, where, input }) => ({ name, where, value: input.value.trim() }));
    const headers = Object.fromEntries(values.filter(({ where, value }) => where === "header" && value).map(({ name, value }) => [name, value]));
    const init = { method: this.method.toUpperCase(), headers };
    if (this.body) {
      headers["Content-Type"] = this.media.value;
      init.body = this.body.value;
    }
    const path = pathWith(this.path, values), started = performance.now();
    this.answer.replaceChildren(element("p", "Waiting for the answer…", { class: "quiet" }));
    try {
      await this.show(await call(path, init), path, performance.now() - started);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const { status = "no answer", own, ...document } = error.document;
      this.answer.replaceChildren(element("p", "", {}, element("strong", String(status), { class: "problem" }), ` ${path}`), element("pre", JSON.stringify(document, null, 2)));
    }
  }

  async show(response, path, milliseconds) {
    const media = response.headers.get("Content-Type") || "";
    const shown = [];
    if (/json|text/.test(media) && !/event-stream/.test(media)) {
      const text = await response.text();
      let pretty = text;
      try { pretty = JSON.stringify(JSON.parse(text), null, 2); } catch { /* Not every text is JSON. */ }
      shown.push(element("pre", pretty.length > MOST_SHOWN ? `${pretty.slice(0, MOST_SHOWN)}\n…` : pretty));
    } else {
      await response.body?.cancel();
      if (response.status !== 204) shown.push(element("p", `${media || "No body"}${response.headers.get("Content-Length") ? `, ${size(Number(response.headers.get("Content-Length")))}` : ""}`, { class: "quiet" }));
    }
    const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    this.answer.replaceChildren(element("p", "", {}, element("strong", `${response.status} ${response.statusText}`), ` ${path}, ${duration(milliseconds)}`),
      ...shown, element("details", "", {}, element("summary", "Headers"), element("pre", headers)));
  }
}

export const curlBox = (path, method, operation, hasKey) => codeBox("Code for this call", { curl: curlOf(path, method, operation, hasKey) });
