/**
 * Handing leadership over on purpose: the leader proposes nothing new, waits until the target has everything on disk, and
 * tells it to start phase 1 at once. Clients wait for about one round trip. Nothing here touches safety: the target
 * takes an ordinary higher ballot, and if it never does, the leader goes on after one election timeout.
 */
import type { MemberSlot } from '../contract/ballot.ts';
import type { CoreOptions } from './interface.ts';
import type { Leadership } from './leadership.ts';
import type { Outbox } from './outbox.ts';

interface Parts {
  readonly out: Outbox;
  readonly options: CoreOptions;
  readonly leadership: Leadership;
  /** Gives the lease up, which must come before the target may say so. */
  readonly release: () => void;
}

export class Transfer {
  readonly target: MemberSlot;
  #deadlineMs: number;
  #sentAtMs: number | null = null;
  #parts: Parts;

  constructor(parts: Parts, target: MemberSlot) {
    this.#parts = parts;
    this.target = target;
    this.#deadlineMs = parts.out.nowMs + parts.options.electionTimeoutMs;
    parts.leadership.isPaused = true;
  }

  /** Hands over once the target is level; false when time is up and the leader goes on. */
  advance(): boolean {
    const { out, options, leadership, release } = this.#parts;
    if (out.nowMs >= this.#deadlineMs) {
      leadership.isPaused = false;
      leadership.flush();
      const reason =
        this.#sentAtMs === null ? 'the target did not catch up in time' : 'the target did not take over in time';
      out.event({ kind: 'transferFailed', target: this.target, reason });
      return false;
    }
    const isWaiting = this.#sentAtMs !== null && out.nowMs - this.#sentAtMs < options.heartbeatMs;
    if (!isWaiting && leadership.isLevel(this.target)) {
      this.#sentAtMs = out.nowMs;
      release();
      out.send(this.target, { kind: 'transferLeadership', ballot: leadership.ballot });
    }
    return true;
  }
}
