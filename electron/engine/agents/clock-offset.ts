/**
 * How far a host's clock is from the engine's, from samples that travel one way. A sample that was captured at `h` on the
 * host's clock and received at `e` on ours gives h − e = offset − delay, and a delay is never negative: so the largest
 * difference of the last minute is the nearest to the truth (the minimum filter of NTP, RFC 5905 section 10, one-way).
 * The error is the shortest delay of that minute: below a millisecond in a rack, half a round trip at most elsewhere.
 */
const WINDOW = 60;
/** A difference this far below the estimate is no delay: the host's clock was set back. */
const JUMP_MS = 2000;

export class ClockOffset {
  #differences: number[] = [];

  /** Both in milliseconds since 1970, on the host's and on the engine's clock. */
  observe(capturedAtUnixMs: number, receivedAtUnixMs: number): void {
    const difference = capturedAtUnixMs - receivedAtUnixMs;
    const estimate = this.offsetMs;
    if (estimate !== null && Math.abs(difference - estimate) > JUMP_MS) this.#differences = [];
    this.#differences.push(difference);
    if (this.#differences.length > WINDOW) this.#differences.shift();
  }

  /** Host clock minus engine clock, milliseconds; null: nothing was observed yet. */
  get offsetMs(): number | null {
    return this.#differences.length === 0 ? null : Math.max(...this.#differences);
  }

  /** A time of the host's clock on the engine's. */
  toEngine(hostUnixMs: number): number {
    return hostUnixMs - (this.offsetMs ?? 0);
  }
}
