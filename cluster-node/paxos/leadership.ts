/**
 * Phase 2 of one ballot, seen from its leader. Proposals gather while the previous batch is on its way to this node's disk
 * and leave together as soon as it is there (or was chosen without it): the disk's own pace is the batching timer.
 * Sending and writing go in parallel; this node counts itself only for what is durable, like every other acceptor.
 */
import type { Ballot, MemberSlot, Slot } from '../contract/ballot.ts';
import { type Configuration, encodeConfiguration } from '../contract/configuration.ts';
import { digestOf } from '../contract/digest.ts';
import type { Accept, Accepted, Entry } from '../contract/peer.ts';
import { type Acceptor, WINDOWS_AHEAD } from './acceptor.ts';
import { type CoreOptions, DEFAULT_UNDECIDED_BYTES } from './interface.ts';
import type { Learner } from './learner.ts';
import type { Membership } from './membership.ts';
import type { Outbox } from './outbox.ts';
import type { Peers } from './peers.ts';
import type { QuorumSystem } from './quorum.ts';
import type { ReplicaLog } from './replica-log.ts';
import type { PaxosRules } from './rules.ts';

/** Slots in one accept at most, whatever their size. */
const MAX_BATCH_SLOTS = 2048;
/** A follower that has not moved for this many heartbeats is sent its missing entries again. */
const RESEND_AFTER_HEARTBEATS = 2;

interface Parts {
  readonly out: Outbox;
  readonly log: ReplicaLog;
  readonly acceptor: Acceptor;
  readonly learner: Learner;
  readonly peers: Peers;
  readonly membership: Membership;
  readonly rules: PaxosRules;
  readonly options: CoreOptions;
}

interface Follower {
  /** The last slot with a request that came through this member: it is told of the decision at once. */
  awaitsUpTo: Slot;
  durableUpTo: Slot;
  receivedUpTo: Slot;
  /** When it last advanced or was sent something again. */
  movedAtMs: number;
  /** What is sent again reaches to `resentUpTo` so far, and the gap to close to `gapUpTo`; 0 before there was one. */
  resentUpTo: Slot;
  gapUpTo: Slot;
}

interface Proposal {
  /** It ends the configuration: nothing follows it under this ballot. */
  readonly isStop: boolean;
  readonly value: Uint8Array;
  readonly digest: number;
}

export class Leadership {
  readonly ballot: Ballot;
  /** The configuration that it leads; its quorums are counted to its end. */
  readonly configId: number;
  /** Phase 1 found accepted values up to here; earlier leaders may have answered clients for any of them. */
  readonly recoveredUpTo: Slot;
  /**
   * What phase 1 found ends with a stop entry. The next configuration may have decided more after it, under a lower ballot,
   * which this leader does not take over: it cannot tell what a read must see.
   */
  readonly tookOverStop: boolean;
  /** While a transfer is under way nothing new is proposed. */
  isPaused = false;
  #proposedUpTo: Slot;
  #quorums: QuorumSystem;
  /** A stop entry is among what is gathered or proposed. */
  #hasStop: boolean;
  /** It is proposed. */
  #isStopped: boolean;
  #batchRecord = 0;
  /** Followers have yet to hear what was decided last. */
  #owesNotice = false;
  #gathered: Proposal[] = [];
  #gatheredBytes = 0;
  #followers = new Map<MemberSlot, Follower>();
  #parts: Parts;

  constructor(parts: Parts, ballot: Ballot, recovered: readonly Entry[]) {
    this.#parts = parts;
    this.ballot = ballot;
    this.configId = parts.membership.configId;
    this.#quorums = parts.membership.quorums;
    this.#proposedUpTo = parts.log.decidedUpTo;
    this.recoveredUpTo = parts.log.decidedUpTo + recovered.length;
    // After damage there may be more than acceptors take at once: the rest follows window by window.
    const takenUpTo = parts.log.decidedUpTo + WINDOWS_AHEAD * parts.options.maxUndecidedSlots;
    for (const peer of parts.peers.all)
      this.#followers.set(peer.member, {
        awaitsUpTo: 0,
        durableUpTo: 0,
        receivedUpTo: 0,
        movedAtMs: parts.out.nowMs,
        resentUpTo: takenUpTo,
        gapUpTo: this.recoveredUpTo,
      });
    const last = recovered.at(-1);
    this.tookOverStop = last !== undefined && parts.membership.successorIn(last.value) !== null;
    this.#hasStop = this.#isStopped = this.tookOverStop;
    parts.acceptor.accept(ballot, []);
    this.#proposeAgain(recovered);
  }

  /** Proposed or gathered, and not decided. */
  get undecidedSlots(): number {
    return this.#proposedUpTo - this.#parts.log.decidedUpTo + this.#gathered.length;
  }

  /** Takes in a value that came through `origin`; false when too much is undecided already. */
  propose(value: Uint8Array, digest: number, origin: MemberSlot): boolean {
    if (this.#isFull()) return false;
    this.#gather({ value, digest, isStop: false });
    const follower = this.#followers.get(origin);
    if (follower !== undefined) follower.awaitsUpTo = this.#proposedUpTo + this.#gathered.length;
    this.flush();
    return true;
  }

  /** Whether a stop entry waits to be decided: what comes after it is kept for nobody, since its origin sends it again. */
  get isStopping(): boolean {
    return this.#hasStop;
  }

  /** Proposes, after everything taken in so far, the stop entry that ends this configuration. Once, and not while paused. */
  stop(next: Configuration): void {
    if (this.#hasStop || this.isPaused) throw new Error('a configuration cannot end now');
    const value = encodeConfiguration(next);
    this.#hasStop = true;
    this.#gather({ value, digest: digestOf(value), isStop: true });
    this.flush();
  }

  /** How far this member has everything on disk under this ballot; 0 when nothing is known. */
  durableUpTo(member: MemberSlot): Slot {
    const { acceptor, membership, rules } = this.#parts;
    if (member !== membership.self) return this.#followers.get(member)?.durableUpTo ?? 0;
    return rules.ownCount(acceptor.durableUpTo, acceptor.receivedUpTo);
  }

  /** Proposes what has gathered, unless the previous batch is still on its way. Returns whether anything was sent. */
  flush(): boolean {
    const mayPropose = !this.isPaused && !this.#isStopped;
    if (this.#gathered.length === 0 || !mayPropose || this.#isBatchUnderWay()) return false;
    this.#sendBatch(this.#takeBatch());
    return true;
  }

  onAccepted(from: MemberSlot, message: Accepted): void {
    const follower = this.#followers.get(from);
    if (follower === undefined || !this.#parts.rules.isAnswer(message.ballot, this.ballot)) return;
    const hasMoved = message.receivedUpTo > follower.receivedUpTo || message.durableUpTo > follower.durableUpTo;
    if (hasMoved) follower.movedAtMs = this.#parts.out.nowMs;
    follower.durableUpTo = Math.max(follower.durableUpTo, message.durableUpTo);
    follower.receivedUpTo = Math.max(follower.receivedUpTo, message.receivedUpTo);
    this.count();
    this.#resendNext();
  }

  /** A page that came through, and what was decided since, are the clock for the next one, until the gap is closed. */
  #resendNext(): void {
    for (const [member, follower] of this.#followers) {
      const { receivedUpTo, resentUpTo, gapUpTo } = follower;
      const isDue = receivedUpTo >= resentUpTo && receivedUpTo < gapUpTo;
      if (isDue && receivedUpTo < this.#resendsUpTo()) this.#resendPage(member, follower);
    }
  }

  /** Acceptors take no more than so far ahead of what they know to be decided. */
  #resendsUpTo(): Slot {
    const { log, options } = this.#parts;
    return Math.min(this.#proposedUpTo, log.decidedUpTo + options.maxUndecidedSlots);
  }

  /**
   * Decides what a quorum has durably accepted. Followers hear of it with the next batch; those whose clients wait for it at
   * once; the others by `onTick` when there is no next batch.
   */
  count(): void {
    const { log, learner } = this.#parts;
    const chosenUpTo = this.#quorums.phase2UpTo((member) => this.durableUpTo(member));
    const before = log.decidedUpTo;
    if (chosenUpTo > before) learner.decideUpTo(Math.min(chosenUpTo, this.#proposedUpTo));
    if (this.flush() || chosenUpTo <= before) return;
    this.#owesNotice = true;
    if (this.isPaused || this.#isStopped) return this.sendNotice();
    for (const [member, { awaitsUpTo }] of this.#followers) if (awaitsUpTo > before) this.sendNotice(member);
  }

  onTick(): void {
    if (this.#owesNotice) this.sendNotice();
  }

  /** An empty accept: carries the decided slot, and binds followers that missed phase 1 to this ballot. */
  sendNotice(only?: MemberSlot): void {
    if (only === undefined) this.#owesNotice = false;
    for (const member of this.#followers.keys())
      if (only === undefined || only === member) this.#sendAccept(member, []);
  }

  /** Begins to send again what followers lack that have not moved for a while. */
  resend(): void {
    const { out, options, peers } = this.#parts;
    for (const [member, follower] of this.#followers) {
      const peer = peers.get(member);
      if (follower.durableUpTo >= this.#proposedUpTo) continue;
      if (out.nowMs - follower.movedAtMs < RESEND_AFTER_HEARTBEATS * options.heartbeatMs) continue;
      if (peer === undefined || !peers.isHeard(peer, out.nowMs)) continue;
      follower.gapUpTo = this.#proposedUpTo;
      // What it had received but not made durable may have been lost in a crash.
      follower.receivedUpTo = follower.durableUpTo;
      this.#resendPage(member, follower);
    }
  }

  /** Decided slots come by catch-up, which the notice in this message sets off; it also draws a fresh count. */
  #resendPage(member: MemberSlot, follower: Follower): void {
    const { out, options, log } = this.#parts;
    const fromSlot = Math.max(follower.receivedUpTo, log.decidedUpTo) + 1;
    const entries = log.page({ fromSlot, upToSlot: this.#resendsUpTo(), maxBytes: options.maxBatchBytes });
    follower.movedAtMs = out.nowMs;
    follower.resentUpTo = entries.at(-1)?.slot ?? fromSlot - 1;
    this.#sendAccept(member, entries);
  }

  /** Whether all that was proposed is decided and the member has it on disk. */
  isLevel(member: MemberSlot): boolean {
    return this.#parts.log.decidedUpTo === this.#proposedUpTo && this.durableUpTo(member) >= this.#proposedUpTo;
  }

  #isFull(): boolean {
    const { log, options } = this.#parts;
    const bytes = log.undecidedBytes + this.#gatheredBytes;
    if (bytes >= (options.maxUndecidedBytes ?? DEFAULT_UNDECIDED_BYTES)) return true;
    return this.undecidedSlots >= options.maxUndecidedSlots;
  }

  #gather(proposal: Proposal): void {
    this.#gathered.push(proposal);
    this.#gatheredBytes += proposal.value.length;
  }

  #isBatchUnderWay(): boolean {
    const { out, log } = this.#parts;
    return out.durableUpTo < this.#batchRecord && log.decidedUpTo < this.#proposedUpTo;
  }

  #takeBatch(): Entry[] {
    const entries: Entry[] = [];
    let bytes = 0;
    for (const { value, digest, isStop } of this.#gathered) {
      if (this.#isStopped) break;
      bytes += value.length;
      if (entries.length > 0 && (bytes > this.#parts.options.maxBatchBytes || entries.length >= MAX_BATCH_SLOTS)) break;
      entries.push({ slot: this.#proposedUpTo + entries.length + 1, ballot: this.ballot, value, digest });
      this.#gatheredBytes -= value.length;
      this.#isStopped = this.#parts.rules.isLast(isStop);
    }
    this.#gathered = this.#gathered.slice(entries.length);
    return entries;
  }

  #sendBatch(entries: readonly Entry[]): void {
    const { acceptor, out, peers } = this.#parts;
    this.#proposedUpTo += entries.length;
    acceptor.accept(this.ballot, entries);
    this.#batchRecord = out.lastRecord;
    this.#owesNotice = false;
    // One message for all: it is put into bytes once.
    const message = this.#acceptOf(entries);
    for (const peer of peers.all) if (peers.isHeard(peer, out.nowMs)) out.send(peer.member, message);
  }

  #proposeAgain(recovered: readonly Entry[]): void {
    let rest = recovered;
    while (rest.length > 0) {
      let bytes = 0;
      let count = 0;
      for (const entry of rest) {
        bytes += entry.value.length;
        if (count > 0 && (bytes > this.#parts.options.maxBatchBytes || count >= MAX_BATCH_SLOTS)) break;
        count += 1;
      }
      this.#sendBatch(rest.slice(0, count));
      rest = rest.slice(count);
    }
  }

  #sendAccept(to: MemberSlot, entries: readonly Entry[]): void {
    this.#parts.out.send(to, this.#acceptOf(entries));
  }

  #acceptOf(entries: readonly Entry[]): Accept {
    return { kind: 'accept', ballot: this.ballot, entries, decidedUpTo: this.#parts.log.decidedUpTo };
  }
}
