/**
 * History in memory: one ring of one value per second for each series, all on one axis of whole seconds of the engine's
 * clock. A second for which nothing was heard holds NaN, which leaves here as null: a gap is never bridged.
 */
export interface Columns {
  readonly atUnixMs: number[];
  readonly series: Record<string, (number | null)[]>;
}

const SET_BACK_SECONDS = 10;

export class Rings {
  readonly #capacity: number;
  readonly #rings = new Map<string, Float64Array>();
  /** The newest second (Unix seconds) that is held; null: none. */
  #head: number | null = null;

  /** `capacity`: seconds of history. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The newest second, milliseconds since 1970; null: nothing yet. */
  get headUnixMs(): number | null {
    return this.#head === null ? null : this.#head * 1000;
  }

  /**
   * Begins the second `atUnixMs` and writes `values` to it; seconds that were skipped and series that are not named stay
   * unknown. A second that is not after the newest one is ignored: returns false. If the clock was set back by more than
   * `SET_BACK_SECONDS`, what was written is dropped, since it cannot be told where on the new axis it belongs.
   */
  append(atUnixMs: number, values: ReadonlyMap<string, number | null>): boolean {
    const second = Math.floor(atUnixMs / 1000);
    if (this.#head !== null && second <= this.#head - SET_BACK_SECONDS) {
      this.#rings.clear();
      this.#head = null;
    }
    if (this.#head !== null && second <= this.#head) return false;
    const skipped = this.#head === null ? 1 : Math.min(second - this.#head, this.#capacity);
    for (const ring of this.#rings.values())
      for (let back = 0; back < skipped; back++) ring[this.#index(second - back)] = Number.NaN;
    for (const [key, value] of values) {
      if (value !== null) this.#ringOf(key)[this.#index(second)] = value;
    }
    this.#head = second;
    return true;
  }

  #ringOf(key: string): Float64Array {
    const known = this.#rings.get(key);
    if (known) return known;
    const ring = new Float64Array(this.#capacity).fill(Number.NaN);
    this.#rings.set(key, ring);
    return ring;
  }

  #index(second: number): number {
    return ((second % this.#capacity) + this.#capacity) % this.#capacity;
  }

  /** The newest `seconds` of these series, oldest first, at most the capacity; what was before the first second is unknown, too. A series never written is all null. */
  columns(keys: readonly string[], seconds: number): Columns {
    const length = this.#head === null ? 0 : Math.min(seconds, this.#capacity);
    const first = (this.#head ?? 0) - length + 1;
    const atUnixMs = Array.from({ length }, (_, at) => (first + at) * 1000);
    const series = Object.fromEntries(
      keys.map((key) => {
        const ring = this.#rings.get(key);
        return [key, atUnixMs.map((at) => valueAt(ring, this.#index(at / 1000)))];
      }),
    );
    return { atUnixMs, series };
  }

  /** Drops every series of this id: "n-ab12cd34/…". */
  forget(id: string): void {
    for (const key of this.#rings.keys()) if (key.startsWith(`${id}/`)) this.#rings.delete(key);
  }
}

function valueAt(ring: Float64Array | undefined, index: number): number | null {
  const value = ring?.[index];
  return value === undefined || Number.isNaN(value) ? null : value;
}
