/** Keeps what a stranger can cause at will from filling the log: so many lines in so much time, the rest only counted. */
export class LineLimit {
  readonly #atMost: number;
  readonly #perMs: number;
  readonly #now: () => number;
  #windowStart = -Infinity;
  #lines = 0;
  #leftOut = 0;

  constructor({ atMost, perMs, now = () => performance.now() }: { atMost: number; perMs: number; now?: () => number }) {
    this.#atMost = atMost;
    this.#perMs = perMs;
    this.#now = now;
  }

  /** How many lines were left out before this one; null when this one is to be left out too. */
  next(): number | null {
    const now = this.#now();
    if (now - this.#windowStart >= this.#perMs) {
      this.#windowStart = now;
      this.#lines = 0;
    }
    if (this.#lines >= this.#atMost) {
      this.#leftOut += 1;
      return null;
    }
    this.#lines += 1;
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    return leftOut;
  }
}
