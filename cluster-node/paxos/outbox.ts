/**
 * Collects the effects of one step, numbers what must reach the disk, and knows how far the disk has come. "Now" is the
 * time given to the step: the core has no other clock.
 */
import type { MemberSlot } from '../contract/ballot.ts';
import type { PeerMessage } from '../contract/peer.ts';
import type { CoreEvent, DurableRecord, Effect } from './interface.ts';
import type { PaxosRules } from './rules.ts';

export class Outbox {
  /** Monotonic milliseconds of the step in progress. */
  nowMs = 0;
  /** Every record with sequence ≤ this is on disk. */
  durableUpTo = 0;
  /** The sequence of the newest record given to the disk; 0 before the first. */
  lastRecord = 0;
  #effects: Effect[] = [];
  #rules: PaxosRules;

  constructor(rules: PaxosRules) {
    this.#rules = rules;
  }

  begin(nowMs: number): void {
    // Time that runs backwards would make timeouts fire early or never; the runtime promises a monotonic clock.
    this.nowMs = Math.max(this.nowMs, nowMs);
    this.#effects = [];
  }

  take(): Effect[] {
    return this.#effects;
  }

  persist(record: DurableRecord): void {
    this.lastRecord += 1;
    this.#effects.push({ kind: 'persist', sequence: this.lastRecord, record });
  }

  /** Sends at once: the message vows nothing that is not on disk already. */
  send(to: MemberSlot, message: PeerMessage): void {
    this.#effects.push({ kind: 'send', to, message, afterDurable: 0 });
  }

  /** Sends once everything persisted so far is on disk: the message is a vow. */
  sendDurable(to: MemberSlot, message: PeerMessage): void {
    const mustWait = this.lastRecord > this.durableUpTo && this.#rules.isVow(message.kind);
    const afterDurable = mustWait ? this.lastRecord : 0;
    this.#effects.push({ kind: 'send', to, message, afterDurable });
  }

  emit(effect: Effect): void {
    this.#effects.push(effect);
  }

  event(event: CoreEvent): void {
    this.#effects.push({ kind: 'event', event });
  }
}
