// How the boxes and edges of a graph look, on a canvas or as SVG.
import { BOX, LANE, STEP } from "./layout.js";

const DETAILS_FROM = 0.42;
const ARROWS_FROM = 0.2;
// Pixels of a box's height: round corners cost a browser forty times as much as square ones.
const ROUND_FROM = 9;
const EDGES_A_PATH = 256;
const HALF = { width: BOX.width / 2, height: BOX.height / 2 };
const ARROW = { length: 8, half: 4 };

/**
 * @typedef {{title: string, detail: string, badge: string, kind: string, isFolded: boolean, inputs: number[]}} Box
 * @typedef {{boxes: Box[], frames: object[], place: object, palette: object, zoom: number, chosen: number, pointed: number,
 *   left: number, right: number, top: number, bottom: number}} Drawing
 */

/** @param {CanvasRenderingContext2D | import("./svg_pen.js").SvgPen} pen @param {Drawing} drawing */
export function drawGraph(pen, drawing) {
  drawFrames(pen, drawing);
  drawEdges(pen, drawing);
  const { boxes, place: { x, y }, left, right, top, bottom, palette, zoom } = drawing;
  const seen = [...boxes.keys()].filter((i) => x[i] > left && x[i] < right && y[i] > top && y[i] < bottom);
  for (const [kind, members] of byKind(seen, boxes)) drawBoxes(pen, drawing, members, palette[`kind-${kind}`]);
  if (zoom >= DETAILS_FROM) for (const i of seen) drawText(pen, drawing, i);
  for (const [index, name] of [[drawing.pointed, "accent"], [drawing.chosen, "ink"]]) if (index >= 0) outline(pen, drawing, index, palette[name]);
}

function byKind(members, boxes) {
  const groups = new Map();
  for (const i of members) {
    if (!groups.has(boxes[i].kind)) groups.set(boxes[i].kind, []);
    groups.get(boxes[i].kind).push(i);
  }
  return groups;
}

function drawBoxes(pen, { boxes, place: { x, y }, zoom, palette }, members, colour) {
  const isRound = BOX.height * zoom >= ROUND_FROM;
  const box = (i, shift) => {
    if (isRound) pen.roundRect(x[i] - HALF.width + shift, y[i] - HALF.height + shift, BOX.width, BOX.height, 6);
    else pen.rect(x[i] - HALF.width, y[i] - HALF.height, BOX.width, BOX.height);
  };
  const several = isRound ? members.filter((i) => boxes[i].badge) : [];
  pen.fillStyle = colour;
  pen.globalAlpha = 0.45;
  pen.beginPath();
  for (const i of several) { box(i, 7); box(i, 3.5); }
  pen.fill();
  pen.globalAlpha = 1;
  if (several.length) {
    pen.strokeStyle = palette.paper;
    pen.lineWidth = 1.5;
    pen.beginPath();
    for (const i of several) box(i, 0);
    pen.stroke();
  }
  pen.beginPath();
  for (const i of members) box(i, 0);
  pen.fill();
}

function drawText(pen, { boxes, place: { x, y }, palette }, i) {
  const { title, detail, badge, isFolded } = boxes[i];
  const room = BOX.width - 12 - (isFolded ? 12 : 0), middle = x[i] - (isFolded ? 6 : 0);
  pen.fillStyle = palette["on-node"];
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.font = "600 11.5px system-ui, sans-serif";
  pen.fillText(title, middle, y[i] - (detail ? 7.5 : 0), room);
  if (detail) {
    pen.font = "400 10px system-ui, sans-serif";
    pen.fillText(badge ? `${badge} · ${detail}` : detail, middle, y[i] + 8, room);
  }
  if (!isFolded) return;
  pen.font = "600 13px system-ui, sans-serif";
  pen.textAlign = "right";
  pen.fillText("+", x[i] + HALF.width - 6, y[i], 12);
}

function outline(pen, { place: { x, y }, zoom }, i, colour) {
  pen.strokeStyle = colour;
  pen.lineWidth = Math.max(2, 2 / zoom);
  pen.beginPath();
  pen.roundRect(x[i] - HALF.width - 3, y[i] - HALF.height - 3, BOX.width + 6, BOX.height + 6, 8);
  pen.stroke();
}

function drawFrames(pen, { frames, palette, zoom }) {
  for (const { title, rows } of frames) {
    pen.strokeStyle = palette.edge;
    pen.lineWidth = Math.max(1, 1 / zoom);
    pen.fillStyle = palette.line;
    for (const { left, top, right, bottom } of rows) {
      pen.globalAlpha = 0.35;
      pen.beginPath();
      pen.roundRect(left, top, right - left, bottom - top, 8);
      pen.fill();
      pen.globalAlpha = 1;
      pen.stroke();
    }
    if (zoom < DETAILS_FROM) continue;
    const [{ left, top, right }] = rows;
    pen.fillStyle = palette.quiet;
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    pen.font = "400 10px system-ui, sans-serif";
    pen.fillText(`− ${title}`, left + 5, top + 7, right - left - 8);
  }
}

function drawEdges(pen, drawing) {
  const { boxes, place: { x, y }, palette, zoom, left, right, top, bottom, chosen, pointed } = drawing;
  const isAlone = (i, source) => [i, source].includes(pointed >= 0 ? pointed : chosen);
  const edges = [], marked = [];
  boxes.forEach((box, i) => {
    for (const source of box.inputs) {
      const low = Math.min(y[i], y[source]), high = Math.max(y[i], y[source]);
      if (high < top || low > bottom + 4 * LANE || Math.max(x[i], x[source]) < left || Math.min(x[i], x[source]) > right + STEP) continue;
      (isAlone(i, source) ? marked : edges).push([source, i]);
    }
  });
  // Edges of the box that is looked at stand out; where there are many, all others step back.
  const crowded = boxes.length ? Math.min(0.9, Math.max(0.25, (2 * boxes.length) / (edges.length || 1))) : 1;
  strokes(pen, drawing, edges, palette.edge, Math.max(1.2, 0.8 / zoom), marked.length ? crowded * 0.65 : crowded);
  strokes(pen, drawing, marked, palette.accent, Math.max(2.2, 1.6 / zoom), 1);
}

function strokes(pen, { place, zoom }, edges, colour, width, alpha) {
  pen.strokeStyle = pen.fillStyle = colour;
  pen.globalAlpha = alpha;
  pen.lineWidth = width;
  for (let start = 0; start < edges.length; start += EDGES_A_PATH) {
    const part = edges.slice(start, start + EDGES_A_PATH);
    pen.beginPath();
    const tips = part.map(([source, target]) => line(pen, place, source, target));
    pen.stroke();
    if (zoom < ARROWS_FROM) continue;
    pen.beginPath();
    for (const [tipX, tipY, isDown] of tips) arrow(pen, tipX, tipY, isDown);
    pen.fill();
  }
  pen.globalAlpha = 1;
}

function arrow(pen, x, y, isDown) {
  pen.moveTo(x, y);
  pen.lineTo(x - (isDown ? ARROW.half : ARROW.length), y - (isDown ? ARROW.length : ARROW.half));
  pen.lineTo(x + (isDown ? ARROW.half : -ARROW.length), y + (isDown ? -ARROW.length : ARROW.half));
  pen.closePath();
}

/** From box to box; returns the tip of the arrow and whether it points down instead of right. */
function line(pen, { x, y, row, bottoms }, source, target) {
  const startX = x[source] + HALF.width, startY = y[source], endX = x[target] - HALF.width, endY = y[target];
  if (row[source] !== row[target]) {
    // Out at the right, along the gap above the target's row, and in at the left.
    const outX = startX + (STEP - BOX.width) * 0.35, inX = endX - (STEP - BOX.width) * 0.35, gapY = bottoms[row[target] - 1];
    pen.moveTo(startX, startY);
    for (const [cornerX, cornerY] of [[outX, startY], [outX, gapY], [inX, gapY], [inX, endY], [endX, endY]]) pen.lineTo(cornerX, cornerY);
    return [endX, endY, false];
  }
  if (x[target] - x[source] <= STEP * 1.01) {
    const bend = (endX - startX) / 2;
    pen.moveTo(startX, startY);
    if (startY === endY) pen.lineTo(endX, endY);
    else pen.bezierCurveTo(startX + bend, startY, endX - bend, endY, endX, endY);
    return [endX, endY, false];
  }
  // Over what it skips: the farther, the higher.
  const steps = (x[target] - x[source]) / STEP, rise = Math.min(LANE * 1.2, LANE * (0.35 + steps * 0.07));
  const [fromX, fromY, toX, toY] = [x[source] + HALF.width * 0.6, startY - HALF.height, x[target] - HALF.width * 0.6, endY - HALF.height];
  const peak = Math.min(fromY, toY) - rise;
  pen.moveTo(fromX, fromY);
  pen.bezierCurveTo(fromX + STEP * 0.3, peak, toX - STEP * 0.3, peak, toX, toY);
  return [toX, toY, true];
}
