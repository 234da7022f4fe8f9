/**
 * The keys in byte order. A key is held as a string with one character a byte (latin1), so that JavaScript compares keys as
 * bytes and hashes them natively.
 *
 * A sorted list cut into blocks: finding the block and the place in it are two binary searches, inserting moves at most one
 * block. A block that grows past its bound is halved, so appending ascending keys stays cheap.
 */
export type KeyText = string;

const MAX_BLOCK_KEYS = 512;

export function keyText(bytes: Uint8Array): KeyText {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

export class OrderedKeys {
  /** Ascending, none empty except when it is the only one. */
  #blocks: KeyText[][] = [[]];

  /** No effect when the key is there. */
  add(key: KeyText): void {
    const at = this.#blockOf(key);
    const block = this.#blocks[at] ?? [];
    const place = lowerBound(block, key);
    if (block[place] === key) return;
    block.splice(place, 0, key);
    if (block.length > MAX_BLOCK_KEYS) this.#blocks.splice(at + 1, 0, block.splice(block.length >>> 1));
  }

  /** No effect when the key is not there. */
  delete(key: KeyText): void {
    const at = this.#blockOf(key);
    const block = this.#blocks[at] ?? [];
    const place = lowerBound(block, key);
    if (block[place] !== key) return;
    block.splice(place, 1);
    if (block.length === 0 && this.#blocks.length > 1) this.#blocks.splice(at, 1);
  }

  /** The keys in [from, end), ascending; `end` null: to the last key. The list must not change meanwhile. */
  *between(from: KeyText, end: KeyText | null): Generator<KeyText> {
    let at = this.#blockOf(from);
    let place = lowerBound(this.#blocks[at] ?? [], from);
    for (; at < this.#blocks.length; at++, place = 0) {
      const block = this.#blocks[at] ?? [];
      for (; place < block.length; place++) {
        const key = block[place] as KeyText;
        if (end !== null && key >= end) return;
        yield key;
      }
    }
  }

  /** The last block whose first key is not above `key`, or the first block. */
  #blockOf(key: KeyText): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#blocks[middle]?.[0] ?? '') <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function lowerBound(block: readonly KeyText[], key: KeyText): number {
  let low = 0;
  let high = block.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((block[middle] as KeyText) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
