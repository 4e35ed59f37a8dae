// From numbers to places on a chart, and numbers that are good to read beside an axis.

/** @param {number} low @param {number} high @param {number} most @returns {number[]} round numbers from low to high */
export function ticks(low, high, most = 5) {
  if (!(high > low)) return [low];
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) * power;
  const first = Math.ceil(low / step - 1e-9), count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** @param {[number, number]} range both above 0 @returns {number[]} 1, 2 and 5 times powers of ten */
export function logTicks([low, high]) {
  const powers = Array.from({ length: Math.ceil(Math.log10(high)) - Math.floor(Math.log10(low)) + 1 }, (_, i) => 10 ** (Math.floor(Math.log10(low)) + i));
  return powers.flatMap((power) => [power, 2 * power, 5 * power]).filter((value) => value >= low && value <= high);
}

/** @param {[number, number]} domain @param {[number, number]} range @returns {(value: number) => number} */
export const linear = ([low, high], [from, to]) => (value) => from + ((value - low) / (high - low || 1)) * (to - from);

/** A way to write numbers of one column, with as many decimals each. @param {number[]} values @returns {(value: number) => string} */
export function alike(values, digits = 4) {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const decimals = largest > 0 ? Math.min(12, Math.max(0, digits - 1 - Math.floor(Math.log10(largest)))) : 0;
  return (value) => value.toFixed(decimals);
}

/** As a person writes it. @param {number} value @param {number} digits that count @returns {string} */
export function short(value, digits = 4) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) return value.toExponential(1);
  return String(Number(value.toPrecision(size >= 1000 ? 6 : digits)));
}
