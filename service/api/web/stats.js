// What a tensor looks like, from the block that is repeated to fill it.

export const BINS = 75;

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

// Values this many standard deviations away do not press all others into one bin.
const REACH_STDS = 5;

/**
 * `bins` are shares of the values in BINS equal intervals from -reach to reach, `beyond` the share outside.
 * @typedef {{mean: number, std: number, lowest: number, highest: number, reach: number, bins: number[], beyond: number}} Statistics
 */

/**
 * @param {Float32Array} values of the block
 * @param {number[]} blockShape
 * @param {number[]} shape of the whole tensor, which the block is repeated to fill
 * @param {number} scale that the block is multiplied by
 * @param {number} least reach of the histogram, at least
 * @returns {Statistics}
 */
export function describeTensor(values, blockShape, shape, scale = 1, least = 0) {
  let weight = 0, sum = 0, squares = 0, lowest = Infinity, highest = -Infinity;
  each(values, blockShape, shape, (raw, times) => {
    const value = raw * scale;
    weight += times;
    sum += times * value;
    squares += times * value * value;
    lowest = Math.min(lowest, value);
    highest = Math.max(highest, value);
  });
  const mean = sum / weight;
  // Rounding must not give a constant a spread.
  const std = lowest === highest ? 0 : Math.sqrt(Math.max(0, squares / weight - mean * mean));
  const reach = Math.max(least, Math.min(Math.max(-lowest, highest), Math.abs(mean) + REACH_STDS * std));
  const counts = new Array(BINS).fill(0);
  let beyond = 0;
  each(values, blockShape, shape, (raw, times) => {
    const value = raw * scale;
    if (Math.abs(value) > reach) beyond += times;
    else counts[reach ? Math.min(BINS - 1, Math.floor(((value / reach + 1) / 2) * BINS)) : BINS >> 1] += times;
  });
  return { mean, std, lowest, highest, reach, bins: counts.map((times) => times / weight), beyond: beyond / weight };
}

/** Standard deviation of He initialisation, fan-in. @param {number[]} shape (out, in / groups, ...kernel) */
export const heStd = (shape) => Math.sqrt(2 / shape.slice(1).reduce((product, length) => product * length, 1));

// Abramowitz and Stegun (1964), 7.1.26: off by 1.5e-7 at most.
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - series * Math.exp(-x * x));
}

/** Shares of N(0, std) in the bins of a histogram. @param {number} std @param {number} reach @returns {number[]} */
export function normalShares(std, reach) {
  const below = Array.from({ length: BINS + 1 }, (_, i) => erf(((2 * i) / BINS - 1) * (reach / std / Math.SQRT2)) / 2);
  return Array.from({ length: BINS }, (_, i) => below[i + 1] - below[i]);
}
