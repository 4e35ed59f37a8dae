// What the form asks for: a network, and how to send it.
import { Problem } from "./api.js";
import { count, element } from "./dom.js";
import { titleOf } from "./lists.js";
import { cellOf, EDGES, OPERATIONS, operationsOf, TITLES } from "./nasbench201.js";

const EXAMPLE = ["nor_conv_3x3", "nor_conv_3x3", "avg_pool_3x3", "skip_connect", "nor_conv_1x1", "nor_conv_3x3"];

/** @param {HTMLFormElement} form */
export function setUpSources(form) {
  const drop = document.getElementById("drop");
  for (const name of ["dragover", "dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.toggle("over", name === "dragover"));
  form.elements.file.addEventListener("change", () => {
    const file = form.elements.file.files[0];
    if (file) document.getElementById("file-name").textContent = `${file.name} (${count(file.size)} bytes)`;
  });
  for (const radio of form.elements.source) radio.addEventListener("change", () => showSource(form));
  setUpCell(form.elements.nasbench201);
  showSource(form);
}

function showSource(form) {
  for (const part of form.querySelectorAll(".source")) part.hidden = part.dataset.source !== form.elements.source.value;
}

// The cell as six choices and as text, each following the other.
function setUpCell(text) {
  const selects = EDGES.map(([from, to], i) => {
    const select = element("select", "", {}, ...OPERATIONS.map((name) => element("option", TITLES[name], { value: name })));
    select.value = EXAMPLE[i];
    document.getElementById("cell-edges").append(element("label", `${from} → ${to}`, {}, select));
    return select;
  });
  text.value = cellOf(EXAMPLE);
  for (const select of selects) select.addEventListener("change", () => { text.value = cellOf(selects.map((each) => each.value)); });
  text.addEventListener("input", () => operationsOf(text.value).forEach((name, i) => { if (OPERATIONS.includes(name) && selects[i]) selects[i].value = name; }));
}

/** @param {HTMLFormElement} form @param {File} file */
export function fillInFile(form, file) {
  const files = new DataTransfer();
  files.items.add(file);
  form.elements.source.value = "file";
  form.elements.file.files = files.files;
  form.elements.file.dispatchEvent(new Event("change"));
  showSource(form);
}

/** Put an architecture into the form. @param {HTMLFormElement} form @param {object} architecture */
export function fillIn(form, architecture) {
  const { format, name, cell } = architecture;
  const given = Object.keys(architecture).filter((field) => field !== "format" && field !== "name").join();
  if (format === "nasbench201" && given === "cell") [form.elements.source.value, form.elements.nasbench201.value] = [format, cell];
  else if (format === "torchvision" && given === "") [form.elements.source.value, form.elements.torchvision.value] = [format, name];
  else [form.elements.source.value, form.elements.json.value] = ["json", JSON.stringify(architecture, null, 2)];
  form.elements.nasbench201.dispatchEvent(new Event("input"));
  showSource(form);
}

const sendJson = (architecture) => (options) =>
  ({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ architecture, ...options }) });

function sendFile(file) {
  return (options) => {
    const body = new FormData();
    body.append("architecture", file);
    for (const [name, value] of Object.entries(options)) body.append(name, String(value));
    return { method: "POST", body };
  };
}

/**
 * send gives the options of fetch for the same network with these options of a prediction.
 * @typedef {{name: string, kind: string, send: (options: object) => RequestInit}} Network
 */

/** @param {HTMLFormElement} form @returns {Network} */
export function chosenNetwork(form) {
  const kind = form.elements.source.value;
  if (kind === "file") {
    const file = form.elements.file.files[0];
    if (!file) throw new Problem({ title: "No file yet", detail: "Choose an ONNX or JSON file first, or drop one on the page." });
    return { name: file.name.replace(/\.[^.]*$/, ""), kind: file.name.toLowerCase().endsWith(".onnx") ? "onnx" : "json", send: sendFile(file) };
  }
  const typed = form.elements[kind].value.trim();
  if (kind === "json") {
    const architecture = parsed(typed);
    return { name: titleOf(architecture, 0), kind: architecture.format === "torchvision" ? "torchvision" : kind, send: sendJson(architecture) };
  }
  const architecture = kind === "torchvision" ? { format: kind, name: typed } : { format: kind, cell: typed };
  return { name: kind === "torchvision" ? typed : kind, kind, send: sendJson(architecture) };
}

/** The document of a text that somebody wrote. @param {string} text */
export function parsed(text) {
  if (!text) throw new Problem({ title: "No architecture yet", detail: "Paste an architecture as JSON first." });
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Problem({ title: "This is not JSON", detail: error.message });
  }
}
