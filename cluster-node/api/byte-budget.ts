/** How many bytes may be kept at once. What is taken must be given back. A part takes from itself and from the whole. */
export class ByteBudget {
  readonly #whole: ByteBudget | null;
  #left: number;

  constructor(bytes: number, whole: ByteBudget | null = null) {
    this.#left = bytes;
    this.#whole = whole;
  }

  /** False, and nothing is taken, when so many are not left. */
  take(bytes: number): boolean {
    if (bytes > this.#left || this.#whole?.take(bytes) === false) return false;
    this.#left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#left += bytes;
    this.#whole?.give(bytes);
  }

  /** A budget of its own whose bytes also count here. */
  part(bytes: number): ByteBudget {
    return new ByteBudget(bytes, this);
  }
}
