// Problem documents (RFC 9457) as a person wants to read them: what happened, how to mend it, where.
import { Problem } from "./api.js";
import { element, facts } from "./dom.js";

const WHERE = [["Field", "field"], ["Node", "node"], ["Operator", "operator"], ["Limit", "limit"], ["Value", "value"]];
const MOST_FIELDS = 5;

/** Names that a hint such as "Did you mean resnet50 or resnet34?" offers. @param {string} hint @returns {string[]} */
export function suggestionsOf(hint = "") {
  const [, offered] = /^Did you mean (.+?)\?/.exec(hint) || [];
  const names = (offered || "").split(/, | or /).map((name) => name.replace(/^['"]|['"]$/g, "").trim());
  return names.filter((name) => /^[\w.:-]{1,64}$/.test(name));
}

// "torchvision has no model named 'x'. More." -> both parts; the kind of the problem stands where there is no sentence.
function headline({ title, detail = "" }) {
  const [, first, rest = ""] = /^(.{1,160}?[.?!])(?:\s+(.*))?$/s.exec(detail) || [];
  if (first) return [first.replace(/\.$/, ""), rest];
  return detail && detail.length <= 160 ? [detail, ""] : [title || "Problem", detail];
}

/**
 * @param {Error} error
 * @param {(name: string, problem: object) => void} [onSuggestion] told of a suggested name that was pressed
 */
export function problemCard(error, onSuggestion) {
  const problem = error instanceof Problem ? error.document : { title: "The page failed", detail: String(error) };
  const [first, rest] = problem.own ? [problem.title, problem.detail] : headline(problem);
  const card = element("div", "", { class: "problem", role: "alert" }, element("h3", /^[a-z]+ has no /.test(first) ? first : first[0].toUpperCase() + first.slice(1)));
  if (rest) card.append(element("p", rest));
  const names = onSuggestion ? suggestionsOf(problem.hint) : [];
  if (names.length) {
    const buttons = names.map((name) => element("button", name, { type: "button", class: "plain" }));
    buttons.forEach((button, i) => button.addEventListener("click", () => onSuggestion(names[i], problem)));
    card.append(element("p", "", { class: "bar" }, element("span", "Did you mean"), ...buttons));
  } else if (problem.hint) card.append(element("p", problem.hint, { class: "hint" }));
  // What the sentence says already is not said twice.
  const rows = WHERE.filter(([, name]) => problem[name] !== undefined && problem[name] !== "" && !String(problem.detail).includes(`'${problem[name]}'`))
    .map(([title, name]) => [title, String(problem[name])]);
  if (Array.isArray(problem.errors)) rows.push(...problem.errors.slice(0, MOST_FIELDS).map((entry) => [entry.pointer || "Field", entry.detail]));
  if (rows.length) card.append(facts(rows));
  const quiet = [problem.type?.split("/").pop(), problem.request_id && `request ${problem.request_id}`].filter(Boolean);
  if (quiet.length) card.append(element("p", quiet.join(" · "), { class: "quiet small" }));
  return card;
}
