// A network or a list of them as a part of an address, after `#predict/` or `#rank/`, so that an answer can be linked to.

const LONGEST = 16_000;

const toBase64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const fromBase64 = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));

async function through(stream, bytes) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}

/** @param {object | null} architecture null for one that only a file holds @returns {Promise<string>} "" where there is none that is short enough */
export async function addressOf(architecture) {
  if (!architecture) return "";
  const fields = Object.keys(architecture).sort().join();
  if (architecture.format === "torchvision" && fields === "format,name") return `torchvision:${architecture.name}`;
  if (architecture.format === "nasbench201" && fields === "cell,format") return `nasbench201:${encodeURIComponent(architecture.cell)}`;
  const text = await packed(JSON.stringify(architecture));
  return text.length > LONGEST ? "" : `json:${text}`;
}

async function packed(text) {
  const bytes = await through(new CompressionStream("deflate-raw"), new TextEncoder().encode(text));
  return toBase64(bytes);
}

async function unpacked(text) {
  return new TextDecoder().decode(await through(new DecompressionStream("deflate-raw"), fromBase64(text)));
}

/** A list of architectures, as lines. @param {string} lines @returns {Promise<string>} "" where it is too long */
export async function addressOfList(lines) {
  const text = await packed(lines);
  return text.length > LONGEST ? "" : `list:${text}`;
}

/** @param {string} text @returns {Promise<string | null>} the lines; null for a text that says no list */
export async function listAt(text) {
  if (!text.startsWith("list:")) return null;
  try {
    return await unpacked(text.slice("list:".length));
  } catch {
    return null;
  }
}

/** @param {string} text @returns {Promise<object | null>} null for a text that says no network */
export async function architectureAt(text) {
  const [, format, rest] = /^(torchvision|nasbench201|json):(.+)$/s.exec(text) || [];
  try {
    if (format === "torchvision") return { format, name: rest };
    if (format === "nasbench201") return { format, cell: decodeURIComponent(rest) };
    if (format === "json") return JSON.parse(await unpacked(rest));
  } catch {
    return null;
  }
  return null;
}
