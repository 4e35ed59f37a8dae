// Where a network is chosen: a file, a name, a cell or a text. Both forms that need a network have one.
import { Problem } from "./api.js";
import { element, size } from "./dom.js";
import { titleOf } from "./lists.js";
import { cellOf, EDGES, OPERATIONS, operationsOf, TITLES } from "./nasbench201.js";

const EXAMPLE = ["nor_conv_3x3", "nor_conv_3x3", "avg_pool_3x3", "skip_connect", "nor_conv_1x1", "nor_conv_3x3"];
const KINDS = { file: "File", torchvision: "torchvision", nasbench201: "NAS-Bench-201 cell", json: "JSON" };
const DROP = "Drop an ONNX or JSON file here, or choose one. Weights in it are not needed.";
const NETWORKS = ["resnet18", "resnet50", "vgg16", "densenet121", "mobilenet_v3_large", "efficientnet_b0", "squeezenet1_1", "googlenet", "convnext_tiny", "regnet_y_400mf", "vit_b_16", "swin_t"];
const CHUNK = 0x8000;

/**
 * architecture: null where a file of ONNX holds it. send: the options of fetch for the same network with these
 * options of a prediction.
 * @typedef {{name: string, kind: string, fileName: string, architecture: object | null, send: (options: object) => RequestInit}} Network
 */

export class SourcePicker {
  /** @param {HTMLElement} place in a form @param {string} kind that is chosen at first */
  constructor(place, kind = "file") {
    const name = `source-of-${place.id}`;
    this.radios = Object.entries(KINDS).map(([value, title]) => {
      const radio = element("input", "", { type: "radio", name, value });
      radio.addEventListener("change", () => this.show());
      return element("label", "", {}, radio, element("span", title));
    });
    this.fields = { file: this.filePart(), torchvision: this.namePart(place.id), nasbench201: this.cellPart(), json: this.textPart() };
    place.replaceChildren(element("fieldset", "", { class: "tabs" }, element("legend", "Network"), ...this.radios), ...Object.values(this.fields).map(({ root }) => root));
    this.kind = kind;
  }

  get kind() { return this.radios.map((label) => label.firstChild).find((radio) => radio.checked).value; }

  set kind(kind) {
    for (const { firstChild: radio } of this.radios) radio.checked = radio.value === kind;
    this.show();
  }

  show() {
    for (const [kind, { root }] of Object.entries(this.fields)) root.hidden = kind !== this.kind;
  }

  filePart() {
    const input = element("input", "", { type: "file", accept: ".onnx,.json", "aria-label": "File of the network" });
    const said = element("span", DROP, { class: "file-name" });
    const root = element("label", "", { class: "drop" }, input, said);
    for (const name of ["dragover", "dragleave", "drop"]) root.addEventListener(name, () => root.classList.toggle("over", name === "dragover"));
    input.addEventListener("change", () => { said.textContent = input.files[0] ? `${input.files[0].name} (${size(input.files[0].size)})` : DROP; });
    return { root, input };
  }

  namePart(id) {
    const input = element("input", "", { value: "resnet50", spellcheck: "false", autocomplete: "off", maxlength: "64", list: `networks-${id}` });
    const list = element("datalist", "", { id: `networks-${id}` }, ...NETWORKS.map((name) => element("option", name)));
    return { root: element("div", "", {}, element("label", "Name of a torchvision network", {}, input), list), input };
  }

  // The cell as six choices and as text, each following the other.
  cellPart() {
    const input = element("input", "", { value: cellOf(EXAMPLE), spellcheck: "false", autocomplete: "off" });
    const selects = EDGES.map((_, i) => {
      const select = element("select", "", {}, ...OPERATIONS.map((name) => element("option", TITLES[name], { value: name })));
      select.value = EXAMPLE[i];
      select.addEventListener("change", () => { input.value = cellOf(selects.map((each) => each.value)); });
      return select;
    });
    const labels = EDGES.map(([from, to], i) => element("label", `${from} → ${to}`, {}, selects[i]));
    input.addEventListener("input", () => operationsOf(input.value).forEach((name, i) => { if (OPERATIONS.includes(name) && selects[i]) selects[i].value = name; }));
    const group = element("div", "", { class: "options cell-edges", role: "group", "aria-label": "Operation of each edge" }, ...labels);
    return { root: element("div", "", {}, group, element("label", "Cell", {}, input)), input };
  }

  textPart() {
    const input = element("textarea", "", { rows: "6", spellcheck: "false", placeholder: '{"format": "graph", "nodes": [...]}' });
    return { root: element("label", "Architecture", {}, input), input };
  }

  /** @param {File} file */
  takeFile(file) {
    const files = new DataTransfer();
    files.items.add(file);
    this.fields.file.input.files = files.files;
    this.fields.file.input.dispatchEvent(new Event("change"));
    this.kind = "file";
  }

  /** @param {object} architecture */
  take(architecture) {
    const { format, name, cell } = architecture, { torchvision, nasbench201, json } = this.fields;
    const others = Object.keys(architecture).filter((field) => field !== "format" && field !== "name").join();
    this.kind = format === "nasbench201" && others === "cell" ? format : format === "torchvision" && others === "" ? format : "json";
    if (this.kind === "torchvision") torchvision.input.value = name;
    else if (this.kind === "nasbench201") {
      nasbench201.input.value = cell;
      nasbench201.input.dispatchEvent(new Event("input"));
    } else json.input.value = JSON.stringify(architecture, null, 2);
  }

  /** Choose what another picker has chosen. @param {SourcePicker} other */
  copy(other) {
    const [file] = other.fields.file.input.files;
    if (other.kind === "file" && file) this.takeFile(file);
    else if (other.kind !== "file") this.take(other.chosen().architecture);
  }

  /** @returns {Network} what is chosen; Problem where nothing is */
  chosen() {
    const { kind } = this;
    if (kind === "file") return this.chosenFile();
    const typed = this.fields[kind].input.value.trim();
    const architecture = kind === "json" ? parsed(typed) : kind === "torchvision" ? { format: kind, name: typed } : { format: kind, cell: typed };
    const name = kind === "torchvision" ? typed : kind === "json" ? titleOf(architecture, 0) : "cell";
    return { name, kind: kind === "json" && architecture.format === "torchvision" ? "torchvision" : kind, fileName: "", architecture, send: sendJson(architecture) };
  }

  chosenFile() {
    const [file] = this.fields.file.input.files;
    if (!file) throw new Problem({ title: "No file yet", detail: "Choose an ONNX or JSON file first, or drop one on the page." });
    const kind = file.name.toLowerCase().endsWith(".onnx") ? "onnx" : "json";
    return { name: file.name.replace(/\.[^.]*$/, ""), kind, fileName: file.name, architecture: null, send: sendFile(file) };
  }

  /** The document of what is chosen, with a file's contents in it. @returns {Promise<object>} Problem where nothing is */
  async document() {
    const { kind, architecture } = this.chosen();
    if (architecture) return architecture;
    const [file] = this.fields.file.input.files;
    if (kind === "json") return parsed(await file.text());
    const bytes = new Uint8Array(await file.arrayBuffer());
    let text = "";
    for (let at = 0; at < bytes.length; at += CHUNK) text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
    return { format: "onnx", data: btoa(text) };
  }
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

/** The document of a text that somebody wrote. @param {string} text */
function parsed(text) {
  if (!text) throw new Problem({ title: "No architecture yet", detail: "Paste an architecture as JSON first." });
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Problem({ title: "This is not JSON", detail: error.message });
  }
}
