/**
 * Messages that wait for the disk, since they vow what is not on it yet.
 *
 * Prepares come again while nobody answers them, and with a full disk that may be for hours: of what asks or answers them one
 * a member, kind and page is held, of the highest ballot. Losing a message is always safe, and the one held is the first to
 * leave. All else that is held belongs to records, which are bounded.
 */
import type { MemberSlot } from '../contract/ballot.ts';
import type { PeerMessage } from '../contract/peer.ts';

export interface HeldMessage {
  readonly to: MemberSlot;
  readonly message: PeerMessage;
  /** The record that must be on disk before it leaves, with all before it. */
  readonly afterDurable: number;
}

export class HeldMessages {
  /** In the order in which they leave; by the question where there may be only one. */
  #held = new Map<string | symbol, HeldMessage>();

  get count(): number {
    return this.#held.size;
  }

  hold(held: HeldMessage): void {
    const question = questionOf(held) ?? Symbol();
    const earlier = this.#held.get(question);
    if (earlier !== undefined && ballotOf(earlier.message) >= ballotOf(held.message)) return;
    // A higher ballot takes the place at the end: its record is a later one.
    this.#held.delete(question);
    this.#held.set(question, held);
  }

  /** What may leave now that every record up to this one is on disk, in the order in which it was held. */
  release(durableUpTo: number): HeldMessage[] {
    const released: HeldMessage[] = [];
    for (const [question, held] of this.#held) {
      if (held.afterDurable > durableUpTo) continue;
      this.#held.delete(question);
      released.push(held);
    }
    return released;
  }

  clear(): void {
    this.#held.clear();
  }
}

/** Two messages of one question ask or answer the same of the same member; null: nothing else can stand for this one. */
function questionOf({ to, message }: HeldMessage): string | null {
  if (message.kind === 'prepare') return `prepare ${to}`;
  return message.kind === 'promise' ? `promise ${to} ${message.page}` : null;
}

function ballotOf(message: PeerMessage): number {
  return message.kind === 'prepare' || message.kind === 'promise' ? message.ballot : 0;
}
