/** The simulator's only source of chance (sfc32): one seed, one history. */
export class Random {
  #a = 0;
  #b = 0;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.#c = seed >>> 0;
    for (let i = 0; i < 12; i++) this.next();
  }

  /** Uniform in [0, 1). */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4294967296;
  }

  /** Another stream of chance; this one moves on by one draw. */
  fork(): Random {
    return new Random(this.integer(0, 0xffffffff));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  between(from: number, end: number): number {
    return from + this.next() * (end - from);
  }

  /** Integer in [from, upTo]. */
  integer(from: number, upTo: number): number {
    return from + Math.floor(this.next() * (upTo - from + 1));
  }

  pick<T>(choices: readonly T[]): T {
    if (choices.length === 0) throw new RangeError('nothing to pick from');
    return choices[this.integer(0, choices.length - 1)] as T;
  }

  /** Exponentially distributed with this mean: gaps between independent events. */
  gap(mean: number): number {
    return -Math.log(1 - this.next()) * mean;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const rest = [...items];
    const shuffled: T[] = [];
    while (rest.length > 0) shuffled.push(...rest.splice(this.integer(0, rest.length - 1), 1));
    return shuffled;
  }
}
