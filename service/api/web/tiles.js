// Reads the `tiles` file by Range: its index first, then its blocks in pieces, in the order of the file.
import { call } from "./api.js";

const FIRST_BYTES = 1 << 16;
const PIECE_BYTES = 4 << 20;

async function range(url, start, end, signal) {
  const response = await call(url, { headers: { Range: `bytes=${start}-${end - 1}` }, signal });
  const buffer = await response.arrayBuffer();
  return response.status === 206 ? buffer : buffer.slice(start, end);
}

// {parameters: the index's entries, blocks: {key: {shape, start, end}}}; positions are those of the file.
export async function readIndex(url, fileSize, signal) {
  let head = await range(url, 0, Math.min(FIRST_BYTES, fileSize), signal);
  const length = Number(new DataView(head).getBigUint64(0, true));
  if (8 + length > head.byteLength) head = await range(url, 0, 8 + length, signal);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(head, 8, length)));
  const blocks = {};
  for (const [key, tensor] of Object.entries(header)) {
    if (key === "__metadata__") continue;
    const [start, end] = tensor.data_offsets;
    blocks[key] = { shape: tensor.shape, start: 8 + length + start, end: 8 + length + end };
  }
  return { parameters: JSON.parse(header.__metadata__.tiles).parameters, blocks };
}

// Yields [key, Float32Array] of every block.
export async function* readBlocks(url, blocks, signal) {
  const entries = Object.entries(blocks).sort((a, b) => a[1].start - b[1].start);
  let at = 0;
  while (at < entries.length) {
    let after = at + 1;
    const start = entries[at][1].start;
    while (after < entries.length && entries[after][1].end - start <= PIECE_BYTES) after += 1;
    const piece = await range(url, start, entries[after - 1][1].end, signal);
    for (const [key, block] of entries.slice(at, after)) {
      // Copied, because a view must begin at a multiple of four.
      yield [key, new Float32Array(piece.slice(block.start - start, block.end - start))];
    }
    at = after;
  }
}
