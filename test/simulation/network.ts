/**
 * The network between the members. Links are directed; a cut link loses everything, also what is under way on it. A cut ends by
 * itself at its time. Loss, duplication, reordering and delay strike single messages at the ratios that are in force.
 */
import type { MemberSlot } from '../../cluster-node/contract/ballot.ts';
import type { Entry, PeerMessage } from '../../cluster-node/contract/peer.ts';
import type { Random } from './random.ts';

/** More than any member slot that a simulated cluster gives. */
const MEMBER_LIMIT = 64;
/** A calm network delivers within about this. */
const CALM_DELAY_MS = 1;
/** How much longer than the others a delayed message takes. */
const DELAY_FACTOR = 50;

export interface Surroundings {
  readonly random: Random;
  readonly nowMs: () => number;
  readonly isCalm: () => boolean;
  readonly after: (delayMs: number, run: () => void) => void;
  readonly count: (fault: string) => void;
  readonly receive: (to: MemberSlot, from: MemberSlot, message: PeerMessage) => void;
}

interface UnderWay {
  readonly from: MemberSlot;
  readonly to: MemberSlot;
  readonly message: PeerMessage;
  readonly arrivalMs: number;
}

export class Network {
  /** Shares of the messages that meet each fate, in [0, 1]. */
  lossRatio = 0;
  duplicateRatio = 0;
  reorderRatio = 0;
  delayRatio = 0;
  corruptRatio = 0;
  #delayMsMean: number;
  #cutUntilMs = new Float64Array(MEMBER_LIMIT * MEMBER_LIMIT);
  #lastArrivalMs = new Float64Array(MEMBER_LIMIT * MEMBER_LIMIT);
  /** In the order in which they were sent. */
  #underWay = new Set<UnderWay>();
  #around: Surroundings;

  constructor(around: Surroundings, delayMsMean: number) {
    this.#around = around;
    this.#delayMsMean = delayMsMean;
  }

  /** Cuts one direction until virtual time `untilMs` at least. */
  cut(from: MemberSlot, to: MemberSlot, untilMs: number): void {
    const link = linkOf(from, to);
    if (from !== to) this.#cutUntilMs[link] = Math.max(this.#cutUntilMs[link] as number, untilMs);
  }

  /** What is sent in this direction arrives at virtual time `untilMs` at the soonest: nothing is lost, all of it is late. */
  stall(from: MemberSlot, to: MemberSlot, untilMs: number): void {
    const link = linkOf(from, to);
    this.#lastArrivalMs[link] = Math.max(this.#lastArrivalMs[link] as number, untilMs);
  }

  heal(from: MemberSlot, to: MemberSlot): void {
    this.#cutUntilMs[linkOf(from, to)] = 0;
  }

  healAll(): void {
    this.#cutUntilMs.fill(0);
  }

  /**
   * What is cut now stays cut until it is healed. Messages are delivered in bounded time from now on, those under way among
   * them: what came to rest is partially synchronous (Dwork, Lynch & Stockmeyer, 1988).
   */
  freeze(): void {
    for (const [link, untilMs] of this.#cutUntilMs.entries())
      if (untilMs > this.#around.nowMs()) this.#cutUntilMs[link] = Number.POSITIVE_INFINITY;
    const late = [...this.#underWay].sort((one, other) => one.arrivalMs - other.arrivalMs);
    this.#underWay.clear();
    this.#lastArrivalMs.fill(0);
    for (const { from, to, message } of late) this.#deliver(from, to, message);
  }

  reaches(from: MemberSlot, to: MemberSlot): boolean {
    return !this.#isCut(from, to);
  }

  send(from: MemberSlot, to: MemberSlot, message: PeerMessage): void {
    if (this.#isCut(from, to)) return this.#around.count('cutMessage');
    if (this.#happens('loss', this.lossRatio)) return;
    this.#deliver(from, to, this.#corrupted(message));
    if (this.#happens('duplication', this.duplicateRatio)) this.#deliver(from, to, message);
  }

  #deliver(from: MemberSlot, to: MemberSlot, message: PeerMessage): void {
    const { random, nowMs, isCalm, after, receive } = this.#around;
    const link = linkOf(from, to);
    let meanMs = isCalm() ? Math.min(CALM_DELAY_MS, this.#delayMsMean) : this.#delayMsMean;
    if (this.#happens('delay', this.delayRatio)) meanMs *= DELAY_FACTOR;
    const lastMs = this.#lastArrivalMs[link] as number;
    let arrivalMs = nowMs() + random.gap(meanMs);
    if (arrivalMs < lastMs && !this.#happens('reordering', this.reorderRatio)) arrivalMs = lastMs;
    if (arrivalMs > lastMs) this.#lastArrivalMs[link] = arrivalMs;
    const underWay = { from, to, message, arrivalMs };
    this.#underWay.add(underWay);
    after(arrivalMs - nowMs(), () => {
      if (this.#underWay.delete(underWay) && !this.#isCut(from, to)) receive(to, from, message);
    });
  }

  /** The message, perhaps with one bit of one of its values wrong. */
  #corrupted(message: PeerMessage): PeerMessage {
    if (message.kind !== 'accept' && message.kind !== 'promise' && message.kind !== 'catchUpEntries') return message;
    if (message.entries.length === 0 || this.corruptRatio === 0) return message;
    const { random } = this.#around;
    const at = random.integer(0, message.entries.length - 1);
    const entry = message.entries[at] as Entry;
    if (entry.value.length === 0 || !this.#happens('corruption', this.corruptRatio)) return message;
    const value = entry.value.slice();
    const byte = random.integer(0, value.length - 1);
    value[byte] = (value[byte] as number) ^ (1 << random.integer(0, 7));
    return { ...message, entries: message.entries.with(at, { ...entry, value }) };
  }

  #isCut(from: MemberSlot, to: MemberSlot): boolean {
    return this.#around.nowMs() < (this.#cutUntilMs[linkOf(from, to)] as number);
  }

  #happens(fault: string, ratio: number): boolean {
    if (ratio === 0 || this.#around.isCalm() || !this.#around.random.chance(ratio)) return false;
    this.#around.count(fault);
    return true;
  }
}

function linkOf(from: MemberSlot, to: MemberSlot): number {
  return from * MEMBER_LIMIT + to;
}
