// What the images of a training are: classes, images of each in each part, and what was left out and why.
import { count, element, grid } from "./dom.js";

const PARTS = ["train", "validation", "test"];
const MOST_CLASSES = 20;

/** @param {object} inventory of a job's result, or of its first measurement @returns {HTMLElement[]} */
export function inventoryParts({ name, images, classes, mirror, parts = {}, left_out: leftOut = [], turned, deep, first_frames: frames }) {
  const names = Object.keys(classes);
  const whole = PARTS.reduce((sum, part) => sum + images[part], 0);
  const sentence = `${name}: ${count(names.length)} classes, ${count(whole)} images (${PARTS.map((part) => `${count(images[part])} ${part}`).join(", ")}), ${mirror ? "" : "not "}mirrored in training.`;
  const shown = [];
  if (names.length <= MOST_CLASSES) shown.push(grid(["class", ...PARTS], names.map((each) => [each, ...PARTS.map((part) => count(classes[each][part]))]), {}, "Images of each class"));
  const notes = PARTS.slice(1).filter((part) => parts[part]).map((part) => `${part}: ${parts[part]}`);
  if (turned) notes.push(`${count(turned)} images turned as their EXIF says`);
  if (deep) notes.push(`${count(deep)} images with 16 bits or more a channel, scaled to 8`);
  if (frames) notes.push(`${count(frames)} images with several frames, of which the first is used`);
  for (const { why, files, examples } of leftOut) notes.push(`left out, ${why}: ${count(files)} (${examples.join(", ")}${files > examples.length ? ", …" : ""})`);
  if (notes.length) shown.push(element("ul", "", { class: "small quiet" }, ...notes.map((note) => element("li", note))));
  return [element("details", "", {}, element("summary", sentence), ...shown)];
}
