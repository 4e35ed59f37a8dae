// What a tensor looks like, from the block that is repeated to fill it.

// How often each place of a block occurs in the full tensor, as factors of one axis each.
function repeats(blockShape, shape) {
  return blockShape.map((have, axis) => Array.from({ length: have }, (_, i) => Math.ceil((shape[axis] - i) / have)));
}

// Calls visit(value, times) for every value of the block.
function each(values, blockShape, shape, visit) {
  const even = blockShape.every((have, axis) => shape[axis] % have === 0);
  if (even) {
    for (const value of values) visit(value, 1);
    return;
  }
  const factors = repeats(blockShape, shape);
  const index = blockShape.map(() => 0);
  for (const value of values) {
    visit(value, index.reduce((product, i, axis) => product * factors[axis][i], 1));
    for (let axis = index.length - 1; axis >= 0; axis -= 1) {
      index[axis] += 1;
      if (index[axis] < blockShape[axis]) break;
      index[axis] = 0;
    }
  }
}

// {mean, std, largest (absolute), bins: shares of the values between -largest and largest}
export function describeTensor(values, blockShape, shape, scale = 1, bins = 25) {
  let weight = 0, sum = 0, largest = 0;
  each(values, blockShape, shape, (value, times) => {
    weight += times;
    sum += times * value;
    largest = Math.max(largest, Math.abs(value));
  });
  const mean = sum / weight;
  const counts = new Array(bins).fill(0);
  let squares = 0;
  each(values, blockShape, shape, (value, times) => {
    squares += times * (value - mean) ** 2;
    const bin = largest ? Math.floor(((value / largest + 1) / 2) * bins) : bins >> 1;
    counts[Math.min(bins - 1, bin)] += times;
  });
  return {
    mean: mean * scale,
    std: Math.sqrt(squares / weight) * Math.abs(scale),
    largest: largest * Math.abs(scale),
    bins: (scale < 0 ? counts.reverse() : counts).map((times) => times / weight),
  };
}

// Standard deviation of He initialisation; shape is (out, in / groups, ...kernel).
export const heStd = (shape) => Math.sqrt(2 / shape.slice(1).reduce((product, length) => product * length, 1));
