// The 15 primitives of a GHN: a kind, which gives the colour, and what is written on a box.

const KINDS = {
  input: ["input", "input"], conv: ["conv", "conv"], sep_conv: ["conv", "sep conv"], dil_conv: ["conv", "dil conv"],
  bias: ["bias", "bias"], bn: ["norm", "BN"], ln: ["norm", "LN"], max_pool: ["pool", "max"], avg_pool: ["pool", "avg"],
  glob_avg: ["pool", "mean"], sum: ["join", "+"], concat: ["join", "concat"], msa: ["gate", "attention"], cse: ["gate", "gate"],
  pos_enc: ["position", "position"],
};
export const KIND_TITLES = {
  input: "input", conv: "convolution, linear", bias: "bias", norm: "normalisation", pool: "pooling", join: "sum, concatenation",
  gate: "attention, gate", position: "position encoding",
};
const LONGEST_TITLE = 17;

export const kindOf = (node) => (KINDS[node.primitive] || ["input"])[0];

export const dims = (shape, between = " × ") => (shape ? shape.join(between) : "");

export function labelOf(node) {
  const [, label] = KINDS[node.primitive] || ["", node.primitive];
  const shape = node.shape || [], kernel = shape.slice(2);
  if (node.primitive === "conv" && shape.length === 2) return "linear";
  if (!kernel.length || node.primitive === "glob_avg" || !["conv", "pool"].includes(kindOf(node))) return label;
  return `${label} ${kernel.join("×")}`;
}

export function sentence(node, index, total) {
  const parts = [labelOf(node), node.name, dims(node.shape)];
  if (node.cell !== null) parts.push(`cell ${node.cell}`);
  return `${parts.filter(Boolean).join(" · ")} (${index + 1} of ${total})`;
}

// The end of a path says more than its beginning.
function fitting(title) {
  let short = title;
  while (short.length > LONGEST_TITLE && short.split(" – ")[0].includes(".")) short = short.slice(short.indexOf(".") + 1);
  return short;
}

const isUnit = (part, nodes) => part.to - part.from === 2 && kindOf(nodes[part.from]) === "conv" && part.times === 1;
export const plural = (n, one) => `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;

/** What a box of the drawing says. @param {import("./folding.js").Part} part @param {object[]} nodes */
export function boxOf(part, nodes) {
  const first = nodes[part.from];
  if (!part.parts.length) {
    const detail = ["max_pool", "avg_pool", "glob_avg"].includes(first.primitive) ? "" : dims(first.shape, "×");
    return { title: labelOf(first), detail, badge: "", kind: kindOf(first), isFolded: false };
  }
  if (isUnit(part, nodes)) {
    return { title: `${labelOf(first)} · ${labelOf(nodes[part.from + 1])}`, detail: dims(first.shape, "×"), badge: "", kind: kindOf(first), isFolded: true };
  }
  const badge = part.times > 1 ? `×${part.times}` : "";
  return { title: fitting(part.title) || "block", detail: plural(part.to - part.from, "node"), badge, kind: "block", isFolded: true };
}

/** A sentence on a part, for who points at it or hears it. */
export function partSentence(part, nodes) {
  if (!part.parts.length) return sentence(nodes[part.from], part.from, nodes.length);
  const { title } = boxOf(part, nodes);
  const times = part.times > 1 ? `${part.times} times the same, ` : "";
  return `${part.title || title} · ${times}${plural(part.to - part.from, "node")}, folded. Enter opens it.`;
}
