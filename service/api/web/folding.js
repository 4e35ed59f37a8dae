// The parts of a network: blocks that one edge enters and one leaves, modules by their names, and repeats of the
// same block. A folded part is one box of the drawing.

const FEWEST_NODES = 3;
const LONGEST_PERIOD = 4;
const NUMBERED_DEPTH = 3;
const UNIT_ENDS = ["bn", "ln", "bias"];

/**
 * Nodes from `from` up to `to` (exclusive), which follow each other. A part without `parts` is one node.
 * @typedef {{from: number, to: number, title: string, times: number, parts: Part[]}} Part
 */

const leaf = (index) => ({ from: index, to: index + 1, title: "", times: 1, parts: [] });
const lengthOf = (part) => part.to - part.from;
const group = (parts, title, times = 1) => ({ from: parts[0].from, to: parts[parts.length - 1].to, title, times, parts });

// Only names of parameters have dots; those of sums and the like are made up by exporters.
const pathOf = (node) => (node.name.includes(".") ? node.name.split(".") : []);

function commonPath(nodes, { from, to }) {
  const paths = nodes.slice(from, to).map(pathOf).filter((path) => path.length);
  if (!paths.length) return [];
  const [first] = paths;
  let depth = 0;
  while (depth < first.length - 1 && paths.every((path) => path.length > depth + 1 && path[depth] === first[depth])) depth += 1;
  return first.slice(0, depth);
}

/** Nodes that every path from the first to the last one goes through, in order. */
function cutsOf(nodes, from, to) {
  const reach = new Int32Array(to - from);
  for (let i = from; i < to; i += 1) for (const source of nodes[i].inputs) if (source >= from) reach[source - from] = i;
  const cuts = [];
  let furthest = from - 1;
  for (let i = from; i < to; i += 1) {
    if (furthest <= i) cuts.push(i);
    furthest = Math.max(furthest, reach[i - from]);
  }
  return cuts;
}

function segments(nodes, from, to) {
  const parts = [];
  let start = from;
  for (const cut of [...cutsOf(nodes, from, to), to - 1]) {
    if (cut < start) continue;
    parts.push(cut === start ? leaf(cut) : group(inside(nodes, start, cut + 1), commonPath(nodes, { from: start, to: cut + 1 }).join(".")));
    start = cut + 1;
  }
  return parts;
}

// What has no cuts inside is told apart by the modules that its names begin with.
function inside(nodes, from, to) {
  const { length: depth } = commonPath(nodes, { from, to });
  const runs = [];
  let before = null;
  for (let i = from; i < to; i += 1) {
    const run = runs[runs.length - 1], path = pathOf(nodes[i]);
    // A node without a name belongs to the module before it, unless it joins what comes from elsewhere.
    const isJoin = !path.length && run && nodes[i].inputs.some((source) => source < run[0].from);
    const module = isJoin ? null : path[depth] ?? before;
    if (run && module === before && module !== null) run.push(leaf(i));
    else runs.push([leaf(i)]);
    before = module;
  }
  if (runs.length < 2) return runs.flat();
  return repeats(nodes, runs.flatMap((run) => (run.length < FEWEST_NODES ? run : [group(run, commonPath(nodes, { from: run[0].from, to: run[run.length - 1].to }).join("."))])));
}

// "features.4.1" of "features.4.1.block.0.weight".
function numbered(nodes, part) {
  const path = commonPath(nodes, part);
  const whole = path.length || lengthOf(part) > 1 ? path : pathOf(nodes[part.from]);
  let depth = Math.min(NUMBERED_DEPTH, whole.length);
  while (depth > 0 && !/^\d+$/.test(whole[depth - 1])) depth -= 1;
  return whole.slice(0, depth).join(".");
}

function byModule(nodes, parts) {
  const joined = [];
  let run = [], before = "";
  const close = () => {
    if (run.length > 1) joined.push(group(run, before));
    else joined.push(...run);
    run = [];
  };
  for (const part of parts) {
    const module = numbered(nodes, part);
    if (!module || module !== before) close();
    run.push(part);
    before = module;
  }
  close();
  return joined;
}

// A convolution and the normalisation or bias right behind it are one box.
function units(nodes, parts) {
  const joined = [];
  for (const part of parts) {
    const last = joined[joined.length - 1];
    const ends = !part.parts.length && UNIT_ENDS.includes(nodes[part.from].primitive);
    if (ends && last && !last.parts.length && ["conv", "sep_conv", "dil_conv"].includes(nodes[last.from].primitive)) {
      joined[joined.length - 1] = group([last, part], commonPath(nodes, { from: last.from, to: part.to }).join("."));
    } else joined.push(part);
  }
  return joined;
}

// Equal for parts that compute alike, at equal sizes.
function likeness(nodes, { from, to }) {
  const said = [];
  for (let i = from; i < to; i += 1) said.push(nodes[i].primitive, nodes[i].shape, nodes[i].inputs.map((source) => i - source));
  return JSON.stringify(said);
}

/** Runs of the same parts become one part with `times`. */
function repeats(nodes, parts) {
  const alike = parts.map((part) => likeness(nodes, part));
  const joined = [];
  for (let at = 0; at < parts.length;) {
    const run = longestRun(parts, alike, at);
    if (run.times < 2) {
      joined.push(parts[at]);
      at += 1;
      continue;
    }
    const copies = Array.from({ length: run.times }, (_, i) => {
      const copy = parts.slice(at + i * run.period, at + (i + 1) * run.period);
      return copy.length === 1 ? copy[0] : group(copy, commonPath(nodes, { from: copy[0].from, to: copy[copy.length - 1].to }).join("."));
    });
    joined.push(group(copies, span(copies), run.times));
    at += run.times * run.period;
  }
  return joined;
}

function longestRun(parts, alike, at) {
  let best = { times: 1, period: 1, length: 0 };
  for (let period = 1; period <= LONGEST_PERIOD; period += 1) {
    let times = 1;
    const same = (i) => Array.from({ length: period }, (_, j) => alike[at + j] === alike[i + j]).every(Boolean);
    while (at + (times + 1) * period <= parts.length && same(at + times * period)) times += 1;
    const nodes = parts.slice(at, at + period).reduce((sum, part) => sum + lengthOf(part), 0);
    if (times > 1 && nodes >= FEWEST_NODES && times * period > best.length) best = { times, period, length: times * period };
  }
  return best;
}

// "layer1.1 – 2" of layer1.1 and layer1.2.
function span(copies) {
  const first = copies[0].title, last = copies[copies.length - 1].title;
  if (!first || !last || first === last) return first || last;
  const start = first.length - first.split(".").pop().length;
  return first.slice(0, start) === last.slice(0, start) ? `${first} – ${last.slice(start)}` : `${first} – ${last}`;
}

/** @param {{name: string, primitive: string, shape: number[] | null, inputs: number[]}[]} nodes in topological order @returns {Part[]} */
export function partsOf(nodes) {
  let parts = segments(nodes, 0, nodes.length);
  // One part is no division: a network whose first node reaches its last beside all others.
  if (parts.length < 3) parts = parts.flatMap((part) => (part.parts.length ? part.parts : [part]));
  return repeats(nodes, units(nodes, byModule(nodes, parts)));
}

/** Parts that are open at first, so that there is something to see. @param {Part[]} parts @param {number} fewest @returns {Set<Part>} */
export function openAtFirst(parts, fewest) {
  const open = new Set();
  for (;;) {
    const shown = shownParts(parts, open);
    const largest = shown.filter((part) => part.parts.length).sort((a, b) => lengthOf(b) - lengthOf(a))[0];
    if (!largest || shown.length >= fewest) return open;
    open.add(largest);
  }
}

/** What is drawn as boxes, in topological order. @param {Part[]} parts @param {Set<Part>} open @returns {Part[]} */
export const shownParts = (parts, open) => parts.flatMap((part) => (open.has(part) ? shownParts(part.parts, open) : [part]));

/** The parts that hold a node, outermost first. @param {Part[]} parts @param {number} index @returns {Part[]} */
export function holders(parts, index) {
  const part = parts.find(({ from, to }) => from <= index && index < to);
  return part?.parts.length ? [part, ...holders(part.parts, index)] : [];
}

/** Edges between boxes. @returns {{inputs: number[]}[]} in the order of `shown` */
export function edgesBetween(nodes, shown) {
  const boxOf = new Int32Array(nodes.length);
  shown.forEach((part, box) => boxOf.fill(box, part.from, part.to));
  return shown.map((part, box) => {
    const inputs = new Set();
    for (let i = part.from; i < part.to; i += 1) for (const source of nodes[i].inputs) if (boxOf[source] !== box) inputs.add(boxOf[source]);
    return { inputs: [...inputs] };
  });
}
