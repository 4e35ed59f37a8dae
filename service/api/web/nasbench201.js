// Cells of NAS-Bench-201: six edges between four nodes, an operation each.

export const TITLES = {
  nor_conv_3x3: "conv 3×3", nor_conv_1x1: "conv 1×1", avg_pool_3x3: "avg pool", skip_connect: "skip", none: "none",
};
export const OPERATIONS = Object.keys(TITLES);
/** [from, to] of every edge, in the order of the cell's text. */
export const EDGES = [[0, 1], [0, 2], [1, 2], [0, 3], [1, 3], [2, 3]];

/** "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|" @param {string[]} operations one an edge @returns {string} */
export const cellOf = (operations) => [1, 2, 3].map((target) =>
  `|${EDGES.flatMap(([from, to], i) => (to === target ? [`${operations[i]}~${from}|`] : [])).join("")}`).join("+");

/** @param {string} cell @returns {string[]} */
export const operationsOf = (cell) => cell.split(/[|+]/).filter(Boolean).map((part) => part.split("~")[0]);

// Edges are in topological order: one pass finds what the input reaches.
function isConnected(operations) {
  const reached = new Set([0]);
  EDGES.forEach(([from, to], i) => { if (reached.has(from) && operations[i] !== "none") reached.add(to); });
  return reached.has(3);
}

// mulberry32: 32 bits of state, enough for examples.
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Different cells whose input reaches the output. @param {number} n @param {number} seed @returns {string[]} */
export function randomCells(n, seed) {
  const random = randomFrom(seed);
  const cells = new Set();
  while (cells.size < n) {
    const operations = EDGES.map(() => OPERATIONS[Math.floor(random() * OPERATIONS.length)]);
    if (isConnected(operations)) cells.add(cellOf(operations));
  }
  return [...cells];
}
