/**
 * HPACK's Huffman code (RFC 7541, appendix B). It is canonical: codes of one length follow each other in the order of their
 * symbols, and those of the next length go on where they ended. So the lengths say everything.
 */

/** Bits of the code of each byte. */
// biome-ignore format: sixteen a line
const codeBits = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];
const MAX_PADDING_BITS = 7;

/** A binary tree: at 2n and 2n + 1 what follows node n with bit 0 and 1. Above 0 a node, below a leaf: -1 - byte. */
const tree = buildTree();

function buildTree(): Int16Array {
  const nodes: number[] = [0, 0];
  let code = 0;
  let bits = 0;
  const symbols = codeBits.map((_, symbol) => symbol).sort((a, b) => bitsOf(a) - bitsOf(b) || a - b);
  for (const symbol of symbols) {
    code *= 2 ** (bitsOf(symbol) - bits);
    bits = bitsOf(symbol);
    let node = 0;
    for (let bit = bits - 1; bit > 0; bit--) {
      const at = 2 * node + ((code >>> bit) & 1);
      if (nodes[at] === 0) {
        nodes[at] = nodes.length / 2;
        nodes.push(0, 0);
      }
      node = nodes[at] as number;
    }
    nodes[2 * node + (code & 1)] = -1 - symbol;
    code++;
  }
  return Int16Array.from(nodes);
}

function bitsOf(symbol: number): number {
  return codeBits[symbol] as number;
}

/** Null when the bytes are no such code: they hold the end-of-string symbol, or end in anything but a few ones. */
export function decodeHuffman(bytes: Uint8Array): string | null {
  const decoded = Buffer.allocUnsafe(Math.floor((bytes.length * 8) / 5));
  let length = 0;
  let node = 0;
  let bitsInto = 0;
  let onlyOnes = true;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      const isOne = (byte >>> bit) & 1;
      const next = tree[2 * node + isOne] as number;
      if (next > 0) {
        node = next;
        bitsInto++;
        if (isOne === 0) onlyOnes = false;
        continue;
      }
      // Of all codes only that of the end of the string is left out of the tree.
      if (next === 0) return null;
      decoded[length++] = -1 - next;
      node = 0;
      bitsInto = 0;
      onlyOnes = true;
    }
  }
  return onlyOnes && bitsInto <= MAX_PADDING_BITS ? decoded.toString('latin1', 0, length) : null;
}
