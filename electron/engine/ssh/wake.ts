/**
 * Notices that this computer slept or that its network changed: connections that stood before may be dead without a word, and
 * hosts that were given up may be reachable again. Looked at regularly, since no system tells all of it to a plain process.
 */
import { networkInterfaces } from 'node:os';

/** How often it is looked, milliseconds. */
export const WAKE_LOOK_MS = 2000;
/** A look that comes this much too late, by either clock, means sleep: a busy engine is not late by that much. */
const SLEPT_MS = 5000;

export interface WakeSenses {
  /** Stands still while the computer sleeps, on most systems. */
  monotonicMs: () => number;
  wallMs: () => number;
  /** Of this computer, in whatever order. */
  addresses: () => string[];
}

export const realSenses: WakeSenses = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  addresses: () =>
    Object.values(networkInterfaces()).flatMap((found) =>
      (found ?? []).filter((one) => !one.internal).map((one) => one.address),
    ),
};

export class WakeWatch {
  readonly #senses: WakeSenses;
  #last: { monotonicMs: number; wallMs: number; addresses: string };

  constructor(senses: WakeSenses = realSenses) {
    this.#senses = senses;
    this.#last = this.#now();
  }

  /** True: since the last look the computer slept, or its addresses are others. To be called every `WAKE_LOOK_MS`. */
  look(): boolean {
    const before = this.#last;
    const now = this.#now();
    this.#last = now;
    const passedMs = Math.max(now.monotonicMs - before.monotonicMs, now.wallMs - before.wallMs);
    return passedMs > WAKE_LOOK_MS + SLEPT_MS || now.addresses !== before.addresses;
  }

  #now() {
    const { monotonicMs, wallMs, addresses } = this.#senses;
    return { monotonicMs: monotonicMs(), wallMs: wallMs(), addresses: addresses().sort().join(' ') };
  }
}
