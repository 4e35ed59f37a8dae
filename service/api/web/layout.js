// Where the boxes of a graph stand. Layers follow the longest path from the input, left to right; a deep network
// goes on in the next row, as a text does.

export const BOX = { width: 104, height: 38 };
export const STEP = 134;
export const LANE = 52;
const GAP = 34;

// nodes: [{inputs: [index]}] in topological order. aspect: wanted width / height.
export function layOut(nodes, aspect) {
  const depth = new Int32Array(nodes.length);
  const readers = nodes.map(() => []);
  nodes.forEach((node, index) => {
    for (const source of node.inputs) {
      depth[index] = Math.max(depth[index], depth[source] + 1);
      readers[source].push(index);
    }
  });
  // A node without inputs stands right before what reads it, not at the far beginning.
  nodes.forEach((node, index) => {
    if (!node.inputs.length && readers[index].length && index > 0) depth[index] = Math.max(0, Math.min(...readers[index].map((r) => depth[r])) - 1);
  });
  const layers = [];
  nodes.forEach((_, index) => (layers[depth[index]] ||= []).push(index));
  const full = layers.filter(Boolean);
  order(full, nodes, readers);
  return { ...place(full, nodes.length, aspect), readers };
}

// Order within a layer by the mean place of the neighbours, forth and back.
function order(layers, nodes, readers) {
  const rank = new Float32Array(nodes.length);
  const settle = (layer, neighbours) => {
    const wish = new Map(layer.map((index) => {
      const near = neighbours(index);
      return [index, near.length ? near.reduce((sum, other) => sum + rank[other], 0) / near.length : rank[index]];
    }));
    layer.sort((a, b) => wish.get(a) - wish.get(b) || a - b);
    layer.forEach((index, lane) => { rank[index] = lane - (layer.length - 1) / 2; });
  };
  for (let sweep = 0; sweep < 2; sweep += 1) {
    for (const layer of layers) settle(layer, (index) => nodes[index].inputs);
    for (let at = layers.length - 1; at >= 0; at -= 1) settle(layers[at], (index) => readers[index]);
  }
  for (const layer of layers) settle(layer, (index) => nodes[index].inputs);
}

function place(layers, length, aspect) {
  const most = Math.max(...layers.map((layer) => layer.length));
  const perRow = rowLength(layers.length, most, aspect);
  const x = new Float32Array(length), y = new Float32Array(length), row = new Int32Array(length);
  const bottoms = [];
  let top = 0;
  for (let start = 0; start < layers.length; start += perRow) {
    const part = layers.slice(start, start + perRow);
    const height = Math.max(...part.map((layer) => layer.length)) * LANE + GAP;
    part.forEach((layer, column) => {
      layer.forEach((index, lane) => {
        x[index] = (column + 0.5) * STEP;
        y[index] = top + height / 2 + (lane - (layer.length - 1) / 2) * LANE;
        row[index] = bottoms.length;
      });
    });
    top += height;
    bottoms.push(top);
  }
  return { x, y, row, bottoms, width: Math.min(perRow, layers.length) * STEP, height: top };
}

// Layers a row so that all rows together come nearest to the wanted shape.
function rowLength(depth, most, aspect) {
  const height = most * LANE + GAP;
  let best = depth, bestError = Infinity;
  for (let rows = 1; rows <= depth; rows += 1) {
    const perRow = Math.ceil(depth / rows);
    const error = Math.abs(Math.log((perRow * STEP) / (Math.ceil(depth / perRow) * height) / aspect));
    if (error < bestError) [best, bestError] = [perRow, error];
    if (perRow * STEP < height) break;
  }
  return best;
}
