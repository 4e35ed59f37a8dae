// What draws on a canvas draws an SVG too: the part of a canvas context that the graph uses.
import { svg } from "./dom.js";

const short = (value) => String(Math.round(value * 100) / 100);

export class SvgPen {
  constructor() {
    Object.assign(this, { items: [], d: "", fillStyle: "", strokeStyle: "", lineWidth: 1, globalAlpha: 1, font: "", textAlign: "left" });
  }

  beginPath() { this.d = ""; }
  say(letter, ...numbers) { this.d += letter + numbers.map(short).join(" "); }
  moveTo(x, y) { this.say("M", x, y); }
  lineTo(x, y) { this.say("L", x, y); }
  bezierCurveTo(...numbers) { this.say("C", ...numbers); }
  closePath() { this.d += "Z"; }
  rect(x, y, width, height) { this.d += `M${short(x)} ${short(y)}h${short(width)}v${short(height)}h${short(-width)}Z`; }

  roundRect(x, y, width, height, radius) {
    const arc = (dx, dy) => `a${radius} ${radius} 0 0 1 ${dx} ${dy}`, w = width - 2 * radius, h = height - 2 * radius;
    this.d += `M${short(x + radius)} ${short(y)}h${short(w)}${arc(radius, radius)}v${short(h)}${arc(-radius, radius)}h${short(-w)}${arc(-radius, -radius)}v${short(-h)}${arc(radius, -radius)}Z`;
  }

  fill() { if (this.d) this.items.push(svg("path", { d: this.d, fill: this.fillStyle, opacity: this.globalAlpha })); }
  stroke() {
    if (this.d) this.items.push(svg("path", { d: this.d, fill: "none", stroke: this.strokeStyle, "stroke-width": this.lineWidth, opacity: this.globalAlpha }));
  }

  fillText(text, x, y, most) {
    const [, weight, size] = /^(\d+)?\s*([\d.]+)px/.exec(this.font) || [];
    const anchor = { center: "middle", right: "end" }[this.textAlign] || "start";
    const made = svg("text", { x: short(x), y: short(y), fill: this.fillStyle, "font-family": "system-ui, sans-serif", "font-size": size, "font-weight": weight || 400, "text-anchor": anchor, "dominant-baseline": "central" });
    made.textContent = text;
    // About how wide letters are: a viewer without this font must not write over the edge of a box.
    if (most && text.length * size * 0.56 > most) { made.setAttribute("textLength", short(most)); made.setAttribute("lengthAdjust", "spacingAndGlyphs"); }
    this.items.push(made);
  }

  /** @returns {string} a file */
  file(width, height, ground) {
    const root = svg("svg", { viewBox: `0 0 ${short(width)} ${short(height)}`, width: short(width), height: short(height) }, svg("rect", { width: "100%", height: "100%", fill: ground }), ...this.items);
    return new XMLSerializer().serializeToString(root);
  }
}
