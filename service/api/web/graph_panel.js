// What is beside the graph: all that is known of the box that was chosen.
import { count, element, facts } from "./dom.js";
import { boxOf, dims, KIND_TITLES, kindOf, labelOf, plural } from "./primitives.js";

const MOST_LINKS = 12;
const DECODING = { weight: "weight", bias: "bias", norm_weight: "scale", norm_bias: "shift", class_weight: "weight of the last layer", class_bias: "bias of the last layer", default: "standard initialisation" };

const button = (text, act, className = "link") => {
  const made = element("button", text, { type: "button", class: className });
  made.addEventListener("click", act);
  return made;
};

const numel = (shape) => shape.reduce((product, length) => product * length, 1);

const valueText = (value) => (Array.isArray(value) ? value.join(" × ") : value === null ? "none" : String(value));

/** @param {Record<string, unknown> | undefined} attributes of an operator @returns {HTMLElement | ""} */
function attributeList(attributes = {}) {
  const items = Object.entries(attributes).map(([name, value]) =>
    element("li", "", {}, `${name.replaceAll("_", " ")}: `, element("code", valueText(value))));
  return items.length ? element("div", "", {}, element("h5", "Attributes"), element("ul", "", { class: "small" }, ...items)) : "";
}

/** What the graph is drawn in. @param {object[]} nodes */
export function legend(nodes) {
  const counts = {};
  for (const node of nodes) counts[kindOf(node)] = (counts[kindOf(node)] || 0) + 1;
  return element("ul", "", { class: "legend" }, ...Object.keys(KIND_TITLES).filter((kind) => counts[kind]).map((kind) =>
    element("li", "", {}, element("span", "", { class: `swatch kind-${kind}` }), `${KIND_TITLES[kind]} ${count(counts[kind])}`)));
}

export class GraphPanel {
  /** @param {object} description @param {{goTo: Function, toggle: Function, showParameter: Function}} acts */
  constructor(description, acts) {
    Object.assign(this, { description, acts });
    this.readers = description.nodes.map(() => []);
    description.nodes.forEach((node, index) => node.inputs.forEach((source) => this.readers[source].push(index)));
    this.root = element("aside", "", { class: "graph-panel", "aria-label": "Details of the chosen node" });
  }

  /** @param {import("./folding.js").Part | null} part */
  show(part) {
    if (!part) this.root.replaceChildren(element("h4", "Whole network"), element("p", this.summary(), { class: "quiet small" }), legend(this.description.nodes));
    else if (part.parts.length) this.root.replaceChildren(...this.group(part));
    else this.root.replaceChildren(...this.node(part.from));
  }

  summary() {
    const { nodes } = this.description;
    const edges = nodes.reduce((sum, node) => sum + node.inputs.length, 0);
    return `${count(nodes.length)} nodes, ${count(edges)} edges. Click a box for its details; a box with + opens.`;
  }

  group(part) {
    const inside = this.parametersOf(part);
    const rows = [["Nodes", count(part.to - part.from)], ["Parameters", count(inside.reduce((sum, each) => sum + numel(each.shape), 0))]];
    if (part.times > 1) rows.unshift(["Repeated", `${part.times} times the same block`]);
    return [element("h4", part.title || boxOf(part, this.description.nodes).title), facts(rows),
      button("Open", () => this.acts.toggle(part), "plain"), this.parameterList(inside)];
  }

  node(index) {
    const node = this.description.nodes[index];
    const rows = [["Name", element("code", node.name)], ["Kind", KIND_TITLES[kindOf(node)]]];
    if (node.shape) rows.push(["Shape", dims(node.shape)]);
    if (node.op) rows.push(["Operator", element("code", node.op)]);
    if (node.cell !== null) rows.push(["Cell", String(node.cell)]);
    rows.push(["Inputs", this.links(node.inputs)], ["Outputs", this.links(this.readers[index])]);
    return [element("h4", labelOf(node)), facts(rows), attributeList(node.attributes), this.parameterList(this.parametersOf({ from: index, to: index + 1 }))];
  }

  parametersOf({ from, to }) {
    return this.description.parameters?.filter(({ node }) => node !== null && node >= from && node < to) || [];
  }

  parameterList(parameters) {
    if (!parameters.length) return "";
    const items = parameters.slice(0, MOST_LINKS).map(({ name, shape, decoding }) => element("li", "", {},
      button(name, () => this.acts.showParameter(name)), element("span", ` ${dims(shape) || "scalar"}, ${DECODING[decoding] || decoding.replaceAll("_", " ")}`, { class: "quiet" })));
    if (parameters.length > MOST_LINKS) items.push(element("li", `and ${plural(parameters.length - MOST_LINKS, "other")}`, { class: "quiet" }));
    return element("div", "", {}, element("h5", "Parameters"), element("ul", "", { class: "small" }, ...items));
  }

  links(indices) {
    if (!indices.length) return "none";
    const { nodes } = this.description;
    const items = indices.slice(0, MOST_LINKS).map((index) => element("li", "", {}, button(nodes[index].name, () => this.acts.goTo(index))));
    if (indices.length > MOST_LINKS) items.push(element("li", `and ${indices.length - MOST_LINKS} others`, { class: "quiet" }));
    return element("ul", "", { class: "small" }, ...items);
  }
}
