// A network as the part of an address after `#predict/`, so that an answer can be linked to.

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
  const packed = await through(new CompressionStream("deflate-raw"), new TextEncoder().encode(JSON.stringify(architecture)));
  const text = toBase64(packed);
  return text.length > LONGEST ? "" : `json:${text}`;
}

/** @param {string} text @returns {Promise<object | null>} null for a text that says no network */
export async function architectureAt(text) {
  const [, format, rest] = /^(torchvision|nasbench201|json):(.+)$/s.exec(text) || [];
  try {
    if (format === "torchvision") return { format, name: rest };
    if (format === "nasbench201") return { format, cell: decodeURIComponent(rest) };
    if (format === "json") return JSON.parse(new TextDecoder().decode(await through(new DecompressionStream("deflate-raw"), fromBase64(rest))));
  } catch {
    return null;
  }
  return null;
}
