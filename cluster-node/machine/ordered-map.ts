/**
 * A map in the byte order of its keys. A key is held as a string with one character a byte (latin1), so that JavaScript
 * compares keys as bytes.
 *
 * A sorted list cut into blocks: finding the block and the place in it are two binary searches, inserting moves at most one
 * block, and nothing ever touches all keys at once, as a hash table does when it grows. A block that grows past its bound is
 * halved; at the end of the list a new one is begun instead, so that ascending keys fill their blocks.
 */
export type KeyText = string;

const MAX_BLOCK_KEYS = 512;

interface Block<Value> {
  readonly keys: KeyText[];
  /** Of the key at the same place. */
  readonly values: Value[];
}

export function keyText(bytes: Uint8Array): KeyText {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

export interface MapEntry<Value> {
  readonly key: KeyText;
  readonly value: Value;
}

export class OrderedMap<Value> {
  /** Ascending, none empty except when it is the only one. */
  readonly #blocks: Block<Value>[] = [{ keys: [], values: [] }];
  /** Not above any key of the block at the same place, above every key of the blocks before it. */
  readonly #lowest: KeyText[] = [''];

  get(key: KeyText): Value | undefined {
    const { keys, values } = this.#block(this.#blockOf(key));
    const place = lowerBound(keys, key);
    return keys[place] === key ? values[place] : undefined;
  }

  /** Gives the value that was there before. */
  set(key: KeyText, value: Value): Value | undefined {
    const at = this.#blockOf(key);
    const { keys, values } = this.#block(at);
    const place = lowerBound(keys, key);
    if (keys[place] === key) {
      const before = values[place];
      values[place] = value;
      return before;
    }
    if (place === MAX_BLOCK_KEYS && at === this.#blocks.length - 1) {
      this.#blocks.push({ keys: [key], values: [value] });
      this.#lowest.push(key);
      return undefined;
    }
    keys.splice(place, 0, key);
    values.splice(place, 0, value);
    if (keys.length > MAX_BLOCK_KEYS) this.#halve(at);
    return undefined;
  }

  /** No effect when the key is not there. */
  delete(key: KeyText): void {
    const at = this.#blockOf(key);
    const { keys, values } = this.#block(at);
    const place = lowerBound(keys, key);
    if (keys[place] !== key) return;
    keys.splice(place, 1);
    values.splice(place, 1);
    if (keys.length > 0 || this.#blocks.length === 1) return;
    this.#blocks.splice(at, 1);
    this.#lowest.splice(at, 1);
    this.#lowest[0] = '';
  }

  /** The values of the keys in [from, end), ascending; `end` null: to the last key. The map must not change meanwhile. */
  *between(from: KeyText, end: KeyText | null): Generator<Value> {
    let at = this.#blockOf(from);
    let place = lowerBound(this.#block(at).keys, from);
    for (; at < this.#blocks.length; at++, place = 0) {
      const { keys, values } = this.#block(at);
      for (; place < keys.length; place++) {
        if (end !== null && (keys[place] as KeyText) >= end) return;
        yield values[place] as Value;
      }
    }
  }

  /**
   * A walk over all keys, ascending, that goes on while the map changes: each call gives the first key above the one before.
   * null at the end.
   */
  walk(): () => MapEntry<Value> | null {
    let last: KeyText | null = null;
    let at = 0;
    let place = -1;
    return () => {
      // Where the last key still stands where it stood, the next one is beside it.
      if (last !== null && this.#blocks[at]?.keys[place] !== last) {
        at = this.#blockOf(last);
        const { keys } = this.#block(at);
        place = lowerBound(keys, last);
        if (keys[place] !== last) place--;
      }
      place++;
      if (place >= this.#block(at).keys.length && at + 1 < this.#blocks.length) {
        at++;
        place = 0;
      }
      const { keys, values } = this.#block(at);
      const key = keys[place];
      if (key === undefined) {
        place--;
        return null;
      }
      last = key;
      return { key, value: values[place] as Value };
    };
  }

  #halve(at: number): void {
    const { keys, values } = this.#block(at);
    const upper = { keys: keys.splice(keys.length >>> 1), values: values.splice(values.length >>> 1) };
    this.#blocks.splice(at + 1, 0, upper);
    this.#lowest.splice(at + 1, 0, upper.keys[0] as KeyText);
  }

  #block(at: number): Block<Value> {
    return this.#blocks[at] as Block<Value>;
  }

  /** The block that has the key if any has. */
  #blockOf(key: KeyText): number {
    let low = 0;
    let high = this.#lowest.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#lowest[middle] as KeyText) <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function lowerBound(keys: readonly KeyText[], key: KeyText): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as KeyText) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
