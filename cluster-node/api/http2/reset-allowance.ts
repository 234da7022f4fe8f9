/**
 * How many streams may come to nothing by the client's doing: each made us work for no answer (CVE-2023-44487, "rapid
 * reset"). So many at once, and a few a second for ever, as nghttp2 allows.
 */
import { ConnectionError, errorCode } from './wire.ts';

const BURST = 1000;
const PER_SECOND = 33;

export class ResetAllowance {
  #left = BURST;
  #sinceMs = performance.now();

  /** Throws ConnectionError when it is used up. */
  take(): void {
    const nowMs = performance.now();
    this.#left = Math.min(BURST, this.#left + ((nowMs - this.#sinceMs) / 1000) * PER_SECOND) - 1;
    this.#sinceMs = nowMs;
    if (this.#left < 0) throw new ConnectionError(errorCode.enhanceYourCalm, 'too many streams were reset');
  }
}
