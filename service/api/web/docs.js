// Shows /openapi.json as a page. No library, so it works without the internet.
import { getJson, setKey } from "./api.js";
import { schemaCards, fields, marked, typeOf } from "./docs_schema.js";
import { element, grid } from "./dom.js";
import { keptKey, keepKey } from "./key.js";
import { inline, markdown } from "./markdown.js";
import { problemCard } from "./problem.js";
import { curlBox, TryIt } from "./try_it.js";

const at = (id) => document.getElementById(id);
const slug = (tag) => `tag-${tag.replace(/\W+/g, "-")}`;

function examplesOf(content = {}) {
  return Object.entries(content).flatMap(([media, body]) => {
    const named = Object.entries(body.examples || {}).map(([name, example]) => [`${media}: ${name}`, example.value]);
    return body.example === undefined ? named : [[media, body.example], ...named];
  });
}

// Many examples are folded, each under its name.
const exampleFold = ([title, value]) => element("details", "", { class: "small" }, element("summary", `Example, ${title}`), element("pre", typeof value === "string" ? value : JSON.stringify(value, null, 2)));

function bodyParts(content) {
  const types = Object.entries(content).map(([media, { schema }]) => element("li", "", {}, element("code", media), ": ", ...typeOf(schema)));
  const inlined = Object.values(content).map(({ schema }) => schema).find((schema) => schema?.properties);
  return [element("h3", "Body"), element("ul", "", { class: "small" }, ...types), ...(inlined ? [fields(inlined, "Fields of the body")] : []), ...examplesOf(content).map(exampleFold)];
}

function operationCard(path, method, operation) {
  const summary = element("summary", "", {}, element("span", method.toUpperCase(), { class: `method method-${method}` }), element("code", path), element("span", operation.summary || "", { class: "quiet" }));
  const card = element("details", "", { id: operation.operationId, class: "operation" }, summary);
  // What is inside is made when it is looked at: a page of forms nobody opens would be slow.
  card.addEventListener("toggle", () => {
    if (!card.open || card.childElementCount > 1) return;
    if (operation.description) card.append(...markdown(operation.description));
    const parameters = operation.parameters || [];
    if (parameters.length) {
      const rows = parameters.map((each) => [marked(each.name, each.required), each.in, element("span", "", {}, ...typeOf(each.schema)), element("span", "", {}, ...inline(each.description || each.schema?.description || ""))]);
      card.append(element("h3", "Parameters"), grid(["name", "in", "type", ""], rows, {}, `Parameters of ${path}`));
    }
    if (operation.requestBody) card.append(...bodyParts(operation.requestBody.content));
    const rows = Object.entries(operation.responses).map(([status, { description, content = {} }]) => [element("strong", status), element("span", "", {}, ...inline(description || "")),
      element("span", "", {}, ...Object.entries(content).flatMap(([media, { schema }], i) => [...(i ? [", "] : []), element("code", media), ...(schema?.$ref ? [" ", ...typeOf(schema)] : [])]))]);
    card.append(element("h3", "Answers"), grid(["status", "", "type"], rows, {}, `Answers of ${path}`));
    for (const [status, response] of Object.entries(operation.responses)) if (status.startsWith("2")) card.append(...examplesOf(response.content).map(([title, value]) => exampleFold([`${status}, ${title}`, value])));
    card.append(element("h3", "Call"), curlBox(path, method, operation, Boolean(keptKey())), new TryIt(path, method, operation).root);
  });
  return card;
}

// An address may name a call or a schema.
function reveal() {
  const target = location.hash.length > 1 ? at(decodeURIComponent(location.hash.slice(1))) : null;
  if (target instanceof HTMLDetailsElement) target.open = true;
  target?.scrollIntoView({ block: "start" });
}

function narrow(wanted) {
  for (const card of document.querySelectorAll("details.operation")) card.hidden = !card.firstChild.textContent.toLowerCase().includes(wanted);
  for (const section of document.querySelectorAll("section.card")) section.hidden = section.querySelectorAll("details.operation").length > 0 && !section.querySelector("details.operation:not([hidden])");
}

function setUpKey() {
  const input = at("api-key");
  input.value = keptKey();
  setKey(input.value);
  input.addEventListener("change", () => { keepKey(input.value.trim()); setKey(input.value.trim()); });
}

async function main() {
  setUpKey();
  const api = await getJson("/openapi.json");
  at("description").replaceChildren(...markdown(api.info.description));
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = (operation.tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operationCard(path, method, operation));
    }
  }
  const schemas = element("section", "", { class: "card", id: "schemas" }, element("h2", "schemas"), ...schemaCards(api.components?.schemas || {}));
  at("operations").replaceChildren(...[...groups].map(([tag, cards]) => element("section", "", { class: "card", id: slug(tag) }, element("h2", tag), ...cards)), schemas);
  at("tags").replaceChildren(...[...groups.keys()].map((tag) => element("a", tag, { href: `#${slug(tag)}` })), element("a", "schemas", { href: "#schemas" }));
  at("filter").addEventListener("input", ({ target }) => narrow(target.value.trim().toLowerCase()));
  addEventListener("hashchange", reveal);
  reveal();
}

main().catch((error) => at("operations").replaceChildren(problemCard(error)));
