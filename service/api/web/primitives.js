// The 15 primitives of a GHN: a kind, which gives the colour, and what is written on a node.

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

export const kindOf = (node) => (KINDS[node.primitive] || ["input"])[0];

export const dims = (shape) => (shape ? shape.join(" × ") : "");

export function labelOf(node) {
  const [, label] = KINDS[node.primitive] || ["", node.primitive];
  const kernel = (node.shape || []).slice(2);
  const sized = ["conv", "pool"].includes(kindOf(node)) && kernel.length && node.primitive !== "glob_avg";
  return sized && kernel.some((length) => length > 1) ? `${label} ${kernel.join("×")}` : label;
}

export function sentence(node, index, total) {
  const parts = [labelOf(node), node.name, dims(node.shape)];
  if (node.cell !== null) parts.push(`cell ${node.cell}`);
  return `${parts.filter(Boolean).join(" · ")} (${index + 1} of ${total})`;
}
