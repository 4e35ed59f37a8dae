"use strict";
// Shows /openapi.json as a page. No library, so it works without the internet.

function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function table(titles, rows) {
  const head = element("tr");
  for (const title of titles) head.append(element("th", title, { scope: "col" }));
  const made = element("table");
  made.append(head);
  for (const cells of rows) {
    const row = element("tr");
    for (const cell of cells) row.append(element("td", cell));
    made.append(row);
  }
  const wrapped = element("div", "", { class: "scroll" });
  wrapped.append(made);
  return wrapped;
}

function typeOf(schema = {}) {
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" | ");
  if (schema.$ref) return schema.$ref.split("/").pop();
  return schema.format ? `${schema.type} (${schema.format})` : String(schema.type || "");
}

function examplesOf(content = {}) {
  return Object.entries(content).flatMap(([media, body]) => {
    const named = Object.entries(body.examples || {}).map(([name, example]) => [`${media}, ${name}`, example.value]);
    return body.example === undefined ? named : [[media, body.example], ...named];
  });
}

function codeBlock(title, value) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return [element("p", title, { class: "quiet" }), element("pre", text)];
}

function operationCard(path, method, operation) {
  const card = element("details");
  const summary = element("summary");
  summary.append(element("span", method.toUpperCase(), { class: "method" }), element("code", path), element("span", `  ${operation.summary || ""}`));
  card.append(summary);
  if (operation.description) card.append(element("p", operation.description));
  const parameters = operation.parameters || [];
  if (parameters.length) {
    card.append(element("h3", "Parameters"));
    card.append(table(["name", "in", "type", ""], parameters.map((p) => [p.name, p.in, typeOf(p.schema), p.description || p.schema?.description || ""])));
  }
  if (operation.requestBody) {
    card.append(element("h3", "Body"), element("p", Object.keys(operation.requestBody.content).join(", "), { class: "quiet" }));
    for (const [title, value] of examplesOf(operation.requestBody.content)) card.append(...codeBlock(title, value));
  }
  card.append(element("h3", "Answers"));
  const responses = Object.entries(operation.responses);
  card.append(table(["status", "", "type"], responses.map(([status, r]) => [status, r.description || "", Object.keys(r.content || {}).join(", ")])));
  for (const [status, response] of responses.filter(([status]) => status.startsWith("2"))) {
    for (const [title, value] of examplesOf(response.content)) card.append(...codeBlock(`${status}, ${title}`, value));
  }
  return card;
}

async function main() {
  const place = document.getElementById("operations");
  const answer = await fetch("/openapi.json");
  const api = await answer.json();
  document.getElementById("description").textContent = api.info.description;
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = (operation.tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operationCard(path, method, operation));
    }
  }
  place.replaceChildren(...[...groups].map(([tag, cards]) => {
    const section = element("section", "", { class: "card" });
    section.append(element("h2", tag), ...cards);
    return section;
  }));
}

main();
