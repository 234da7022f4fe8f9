/** How long a client's request may wait here for a leader. */
import type { CoreOptions } from './interface.ts';

const GIVE_BACK_AFTER_TIMEOUTS = 4;

/**
 * Milliseconds after which a request that found no leader is given back to the client. While vows to a dead leader are in
 * force no other can lead, so that much is added.
 */
export function patienceMs({ electionTimeoutMs, leaseReads }: CoreOptions): number {
  return GIVE_BACK_AFTER_TIMEOUTS * electionTimeoutMs + (leaseReads?.durationMs ?? 0);
}
