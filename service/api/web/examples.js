// Networks to try the page on.

const CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|";

const node = (name, op, inputs, params = {}, attrs = {}) => ({
  name, op, inputs, attrs,
  params: Object.fromEntries(Object.entries(params).map(([role, shape]) => [role, { name: `${name}.${role}`, shape }])),
});
const block = (name, input, from, to, stride) => [
  node(`${name}.conv`, "conv", [input], { weight: [to, from, 3, 3] }, { padding: [1, 1], stride: [stride, stride] }),
  node(`${name}.norm`, "batch_norm", [`${name}.conv`], { weight: [to], bias: [to] }),
  node(`${name}.relu`, "activation", [`${name}.norm`], {}, { kind: "relu" }),
];

const SMALL = {
  format: "graph", name: "small CNN", input_shape: [3, 32, 32],
  nodes: [
    { name: "image", op: "input" }, ...block("stage1", "image", 3, 32, 1), ...block("stage2", "stage1.relu", 32, 64, 2), ...block("stage3", "stage2.relu", 64, 128, 2),
    node("pool", "global_avg_pool", ["stage3.relu"]), node("flat", "flatten", ["pool"]), node("classifier", "linear", ["flat"], { weight: [10, 128], bias: [10] }),
  ],
};

/** @type {{title: string, said: string, architecture: object}[]} */
export const EXAMPLES = [
  { title: "Small CNN", said: "three convolutions", architecture: SMALL },
  { title: "NAS-Bench-201 cell", said: "0.8 M parameters", architecture: { format: "nasbench201", cell: CELL } },
  { title: "ResNet-50", said: "25.6 M parameters", architecture: { format: "torchvision", name: "resnet50" } },
];
