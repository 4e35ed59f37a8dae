// What the form asks for: a network, and how to send it.
import { Problem } from "./api.js";
import { count, element } from "./dom.js";

const TITLES = { nor_conv_3x3: "conv 3×3", nor_conv_1x1: "conv 1×1", avg_pool_3x3: "avg pool", skip_connect: "skip", none: "none" };
const OPERATIONS = Object.keys(TITLES);
const EXAMPLE = ["nor_conv_3x3", "nor_conv_3x3", "avg_pool_3x3", "skip_connect", "nor_conv_1x1", "nor_conv_3x3"];
const EDGES = [[0, 1], [0, 2], [1, 2], [0, 3], [1, 3], [2, 3]];

// "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|"
const cellOf = (operations) => [1, 2, 3].map((target) =>
  `|${EDGES.flatMap(([from, to], i) => (to === target ? [`${operations[i]}~${from}|`] : [])).join("")}`).join("+");
const operationsOf = (cell) => cell.split(/[|+]/).filter(Boolean).map((part) => part.split("~")[0]);

export function setUpSources(form) {
  const drop = document.getElementById("drop");
  const choose = () => { for (const part of form.querySelectorAll(".source")) part.hidden = part.dataset.source !== form.elements.source.value; };
  for (const name of ["dragover", "dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.toggle("over", name === "dragover"));
  form.elements.file.addEventListener("change", () => {
    const file = form.elements.file.files[0];
    if (file) document.getElementById("file-name").textContent = `${file.name} (${count(file.size)} bytes)`;
  });
  for (const radio of form.elements.source) radio.addEventListener("change", choose);
  const selects = EDGES.map(([from, to], i) => {
    const select = element("select", "", {}, ...OPERATIONS.map((name) => element("option", TITLES[name], { value: name })));
    select.value = EXAMPLE[i];
    document.getElementById("cell-edges").append(element("label", `${from} → ${to}`, {}, select));
    return select;
  });
  const text = form.elements.nasbench201;
  text.value = cellOf(EXAMPLE);
  for (const select of selects) select.addEventListener("change", () => { text.value = cellOf(selects.map((each) => each.value)); });
  text.addEventListener("input", () => operationsOf(text.value).forEach((name, i) => { if (OPERATIONS.includes(name) && selects[i]) selects[i].value = name; }));
  choose();
}

// {name, kind, send(options)}: send gives the options of fetch for the same network with these options.
export function chosenNetwork(form) {
  const kind = form.elements.source.value;
  if (kind === "file") {
    const file = form.elements.file.files[0];
    if (!file) throw new Problem({ title: "No file yet", detail: "Choose an ONNX or JSON file first, or drop one on the page." });
    const send = (options) => {
      const body = new FormData();
      body.append("architecture", file);
      for (const [name, value] of Object.entries(options)) body.append(name, String(value));
      return { method: "POST", body };
    };
    return { name: file.name.replace(/\.[^.]*$/, ""), kind: file.name.toLowerCase().endsWith(".onnx") ? "onnx" : "json", send };
  }
  const typed = form.elements[kind].value.trim();
  const architecture = kind === "torchvision" ? { format: kind, name: typed } : { format: kind, cell: typed };
  const send = (options) => ({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ architecture, ...options }) });
  return { name: kind === "torchvision" ? typed : "nasbench201", kind, send };
}
