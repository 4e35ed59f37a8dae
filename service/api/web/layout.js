// Where the nodes of a graph are drawn. Layers follow the longest path from the input, left to right; a deep
// network turns at the end of the line and comes back below, so that it fills an area instead of a thread.

export const STEP = 34;
export const LANE = 26;
const GAP = 30;

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
    if (!node.inputs.length && readers[index].length && index > 0) depth[index] = Math.min(...readers[index].map((r) => depth[r])) - 1;
  });
  const layers = [];
  nodes.forEach((_, index) => (layers[depth[index]] ||= []).push(index));
  order(layers, nodes, readers);
  return place(layers, nodes.length, aspect);
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
  const perBand = bandLength(layers.length, most, aspect);
  const x = new Float32Array(length), y = new Float32Array(length), band = new Int32Array(length);
  let top = 0;
  for (let start = 0, number = 0; start < layers.length; start += perBand, number += 1) {
    const part = layers.slice(start, start + perBand);
    const height = Math.max(...part.map((layer) => layer.length)) * LANE + GAP;
    part.forEach((layer, at) => {
      const column = number % 2 ? perBand - 1 - at : at;
      layer.forEach((index, lane) => {
        x[index] = (column + 0.5) * STEP;
        y[index] = top + height / 2 + (lane - (layer.length - 1) / 2) * LANE;
        band[index] = number;
      });
    });
    top += height;
  }
  return { x, y, band, width: Math.min(perBand, layers.length) * STEP, height: top };
}

// Layers a line so that all lines together come nearest to the wanted shape.
function bandLength(depth, most, aspect) {
  const height = most * LANE + GAP;
  let best = depth, bestError = Infinity;
  for (let bands = 1; bands <= depth; bands += 1) {
    const perBand = Math.ceil(depth / bands);
    const error = Math.abs(Math.log((perBand * STEP) / (Math.ceil(depth / perBand) * height) / aspect));
    if (error < bestError) [best, bestError] = [perBand, error];
    if (perBand * STEP < height) break;
  }
  return best;
}
