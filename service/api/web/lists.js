// Lists of architectures and of results, as people paste them.
import { operationsOf, TITLES } from "./nasbench201.js";

const CELL = /^"?(\|[^",;\t]*\|)"?$/;
const RESULT = /^"?(\|[^",;\t]*\|)"?\s*[,;\t]\s*([^,;\t]+)$/;

/**
 * One entry of a list. `line` is what is sent: for text that is no architecture the text as it is, because the
 * service sets such lines aside and says why.
 * @typedef {{line: string, architecture: object | null}} Entry
 */

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

// Documents of one JSON text over several lines: an array, or a request's body.
function wholeDocument(text, field) {
  if (!/^\s*[[{]/.test(text)) return null;
  try {
    const value = JSON.parse(text);
    if (Array.isArray(value)) return value;
    return Array.isArray(value[field]) ? value[field] : [value];
  } catch {
    return null;
  }
}

function architectureOf(line) {
  const cell = CELL.exec(line);
  if (cell) return { format: "nasbench201", cell: cell[1] };
  if (line.startsWith("torchvision:")) return { format: "torchvision", name: line.slice(12).trim() };
  if (line.startsWith("nasbench201:")) return architectureOf(line.slice(12).trim());
  try {
    const value = JSON.parse(line);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

const linesOf = (text) => text.split(/\r?\n/).map((line) => line.trim()).filter(Boolean);

/** @param {string} text @returns {Entry[]} */
export function readArchitectures(text) {
  const whole = wholeDocument(text, "architectures");
  if (whole) return whole.map((item) => ({ line: JSON.stringify(item), architecture: isObject(item) ? item : null }));
  return linesOf(text).map((line) => {
    const architecture = architectureOf(line);
    return { line: architecture ? JSON.stringify(architecture) : line, architecture };
  });
}

/**
 * Results that were measured. A first line of titles is passed over.
 * @param {string} text
 * @returns {{observations: {architecture: object, value: number}[], wrong: {line: number, text: string}[]}}
 */
export function readObservations(text) {
  const observations = [], wrong = [];
  const found = wholeDocument(text, "observations") || linesOf(text);
  found.forEach((item, index) => {
    const cells = typeof item === "string" ? RESULT.exec(item) : null;
    const read = cells ? { architecture: architectureOf(cells[1]), value: Number(cells[2]) }
      : typeof item === "string" ? architectureOf(item) : item;
    if (read?.architecture && typeof read.value === "number" && Number.isFinite(read.value)) {
      observations.push({ architecture: read.architecture, value: read.value });
    } else if (index > 0 || typeof item !== "string" || /[|{]/.test(item)) {
      wrong.push({ line: index + 1, text: typeof item === "string" ? item : JSON.stringify(item) });
    }
  });
  return { observations, wrong };
}

/** A short title of an architecture. @param {object | null} architecture @param {number} index @returns {string} */
export function titleOf(architecture, index) {
  if (architecture?.name) return String(architecture.name);
  if (architecture?.format === "nasbench201" && typeof architecture.cell === "string") {
    const operations = operationsOf(architecture.cell);
    if (operations.length === 6 && operations.every((name) => name in TITLES)) return operations.map((name) => TITLES[name]).join(" · ");
  }
  return `${architecture?.format || "line"} ${index + 1}`;
}

/** An architecture as a line of a list. @param {object} architecture @returns {string} */
export function lineOf(architecture) {
  const fields = Object.keys(architecture).sort().join();
  if (architecture.format === "torchvision" && fields === "format,name") return `torchvision:${architecture.name}`;
  if (architecture.format === "nasbench201" && fields === "cell,format") return architecture.cell;
  return JSON.stringify(architecture);
}
