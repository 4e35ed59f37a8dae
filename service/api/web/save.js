// Files that are made in the page.

/** @param {string} name @param {string} text @param {string} type */
export function saveText(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

const field = (value) => {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** RFC 4180. @param {string[]} titles @param {unknown[][]} rows @returns {string} */
export const csv = (titles, rows) => [titles, ...rows].map((row) => `${row.map(field).join(",")}\r\n`).join("");
