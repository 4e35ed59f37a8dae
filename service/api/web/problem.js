// Problem documents (RFC 9457) as a person wants to read them: what, where, how to mend it.
import { Problem } from "./api.js";
import { element, facts } from "./dom.js";

const WHERE = [["Where", "field"], ["Node", "node"], ["Operator", "operator"], ["Limit", "limit"], ["Value", "value"]];

export function problemCard(error) {
  const problem = error instanceof Problem ? error.document : { title: "The page failed", detail: String(error) };
  const card = element("div", "", { class: "problem", role: "alert" }, element("h3", problem.title || "Problem"));
  card.append(element("p", problem.detail || ""));
  if (problem.hint) card.append(element("p", problem.hint, { class: "hint" }));
  const rows = WHERE.filter(([, name]) => problem[name] !== undefined && problem[name] !== "");
  if (Array.isArray(problem.errors)) rows.push(...problem.errors.slice(0, 5).map((entry) => [entry.pointer || "Field", null, entry.detail]));
  if (rows.length) card.append(facts(rows.map(([title, name, text]) => [title, text || String(problem[name])])));
  if (problem.request_id) card.append(element("p", `Request ${problem.request_id}`, { class: "quiet small" }));
  return card;
}
