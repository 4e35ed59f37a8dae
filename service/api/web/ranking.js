// The answer of a ranking: chart, table, files, and what was skipped.
import { LineChart } from "./chart.js";
import { count, duration, element } from "./dom.js";
import { titleOf } from "./lists.js";
import { RankingChart } from "./ranking_chart.js";
import { RankingTable } from "./ranking_table.js";
import { csv, saveText } from "./save.js";

const SKIPPED_AT_FIRST = 200;
const UNITS = { accuracy: "%", robustness: "%", latency: "ms", convergence: "updates" };

// "latency, ms" of a predictor that comes with the service; what other predictors' values are in only their owner knows.
const titleOfProperty = ({ property, note }) => (note && UNITS[property] ? `${property}, ${UNITS[property]}` : property);

/**
 * @param {object} result of a job of kind `rank`
 * @param {import("./lists.js").Entry[]} entries what was sent, in order
 * @param {(architecture: object) => void} onOpen
 * @param {Node[]} [actions] what else can be done with the ranking
 * @returns {Node[]}
 */
export function rankingParts(result, entries, onOpen, actions = []) {
  const architectureOf = (row) => entries[row.index]?.architecture ?? null;
  const nameOf = (row) => row.name || titleOf(architectureOf(row), row.index);
  const open = (row) => { if (architectureOf(row)) onOpen(architectureOf(row)); };
  const { ranking, skipped, property, predictor } = result;
  const said = `${count(ranking.length)} ${ranking.length === 1 ? "architecture" : "architectures"}, by ${property}, with ${predictor}`;
  const parts = [element("h2", "Ranking", { tabindex: "-1" }), element("p", said)];
  if (result.note) parts.push(element("p", result.note, { class: "quiet small" }));
  if (ranking.length) {
    const chart = new RankingChart(ranking, ranking[0].value === undefined ? "score" : titleOfProperty(result), nameOf, open);
    const table = new RankingTable(ranking, titleOfProperty(result), nameOf, open);
    parts.push(chart.root, files(result, architectureOf, nameOf, actions), table.root);
  } else parts.push(element("p", "None of them could be ranked.", { class: "problem" }));
  if (skipped.length) parts.push(aside(skipped, entries));
  return parts;
}

/**
 * @param {object} result of a search
 * @param {(architecture: object) => void} onOpen
 * @returns {Node[]}
 */
export function searchParts(result, onOpen) {
  const ranking = result.best.map((row, index) => ({ index, name: null, ...row }));
  const nameOf = (row) => titleOf(row.architecture, row.index);
  const refused = result.refused ? ` ${count(result.refused)} skipped: not a valid network, or over a limit.` : "";
  const { predictor, property, algorithm, seed } = result;
  const scored = `${count(result.evaluations)} architectures scored with ${predictor} (${property})`;
  const said = `${scored} in ${duration(1000 * result.seconds)}, by ${algorithm}, seed ${seed}.${refused}`;
  if (!ranking.length) return [element("p", `${said} None was found.`)];
  const parts = [element("p", said), new RankingTable(ranking, titleOfProperty(result), nameOf, (row) => onOpen(row.architecture)).root];
  parts.push(files({ ...result, ranking }, (row) => row.architecture, nameOf));
  if (result.front?.length > 1) parts.push(frontChart(result));
  return parts;
}

// Score against cost of the architectures that no other beats in both.
function frontChart({ front, trade_off: other }) {
  const costOf = (row) => row.costs[other];
  if (!front.every((row) => typeof costOf(row) === "number")) return "";
  const points = front.map((row) => [costOf(row), row.score]).sort((a, b) => a[0] - b[0]);
  return element("div", "", { class: "charts" }, new LineChart("Pareto front: score", other.replaceAll("_", "-"), [{ name: "", points, colour: 0 }]).root);
}

function files(result, architectureOf, nameOf, actions = []) {
  const button = (title, make) => {
    const made = element("button", title, { type: "button", class: "plain" });
    made.addEventListener("click", make);
    return made;
  };
  const asJson = () => {
    const ranking = result.ranking.map((row) => ({ ...row, architecture: architectureOf(row) }));
    saveText("ranking.json", `${JSON.stringify({ ...result, ranking }, null, 2)}\n`, "application/json");
  };
  const asCsv = () => {
    const titles = ["rank", "index", "name", "score", "value", "low", "high", "architecture"];
    const rows = result.ranking.map((row) => [row.rank, row.index, nameOf(row), row.score, row.value,
      row.interval?.[0], row.interval?.[1], JSON.stringify(architectureOf(row))]);
    saveText("ranking.csv", csv(titles, rows), "text/csv");
  };
  return element("div", "", { class: "bar", role: "group", "aria-label": "Download" }, button("Download JSON", asJson), button("Download CSV", asCsv), ...actions);
}

// What was skipped, with the reasons of the service.
function aside(skipped, entries) {
  const list = element("ul", "", { class: "small" }, ...skipped.slice(0, SKIPPED_AT_FIRST).map((entry) => {
    const name = entry.name || titleOf(entries[entry.index]?.architecture, entry.index);
    const hint = entry.problem?.hint ? element("span", ` ${entry.problem.hint}`, { class: "quiet" }) : "";
    return element("li", "", {}, element("strong", `${entry.index + 1}. ${name}: `), entry.reason, hint);
  }));
  const fold = element("details", "", { class: "skipped" }, element("summary", `${count(skipped.length)} skipped`), list);
  const more = skipped.length - SKIPPED_AT_FIRST;
  if (more > 0) fold.append(element("p", `And ${count(more)} more, in the JSON file.`, { class: "quiet small" }));
  return fold;
}
