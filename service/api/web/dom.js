// Text from outside is only ever set as text, never as HTML.

const whole = new Intl.NumberFormat("en");

export const count = (value) => whole.format(value);

export function size(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  const power = Math.min(3, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toPrecision(3)} ${["", "kB", "MB", "GB"][power]}`;
}

export function duration(milliseconds) {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

export function element(tag, text = "", attributes = {}, ...children) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// A table of facts: [name, text or element] a row.
export function facts(rows) {
  const body = element("tbody");
  for (const [name, value] of rows) {
    const cell = element("td");
    cell.append(value);
    body.append(element("tr", "", {}, element("th", name, { scope: "row" }), cell));
  }
  return element("table", "", { class: "facts" }, body);
}

// Short facts, several a line: [name, text] each.
export const figures = (rows) => element("dl", "", { class: "figures" }, ...rows.map(([name, value]) => element("div", "", {}, element("dt", name), element("dd", value))));

// A table that scrolls by itself; `label` says to screen readers what it is.
export function grid(titles, rows, attributes, label) {
  const head = element("tr");
  for (const title of titles) head.append(element("th", title, { scope: "col" }));
  const body = element("tbody");
  for (const cells of rows) {
    const row = element("tr");
    for (const cell of cells) row.append(cell instanceof HTMLTableCellElement ? cell : element("td", "", {}, cell));
    body.append(row);
  }
  const table = element("table", "", attributes, element("thead", "", {}, head), body);
  return element("div", "", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table);
}

// Colours are set in the style sheet, once for light and once for dark; a canvas has to ask for them.
export function colours(names) {
  const probe = element("span", "", { hidden: "" });
  document.body.append(probe);
  const found = {};
  for (const name of names) {
    probe.style.color = `var(--${name})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}
