/**
 * The acceptor: promises, accepts, and answers only once that is on disk. It also keeps count, cumulatively, of how far it
 * has accepted without a hole under the leader's ballot, because one number is a cheaper answer than one per slot.
 */
import type { Ballot, MemberSlot, Slot } from '../contract/ballot.ts';
import type { Accept, Entry, Prepare } from '../contract/peer.ts';
import type { LeaseVow } from './lease.ts';
import type { Membership } from './membership.ts';
import type { Outbox } from './outbox.ts';
import type { ReplicaLog } from './replica-log.ts';
import type { PaxosRules } from './rules.ts';

/** A proposer at most this far behind gets the decided entries with the promise, which saves it a round of catch-up. */
const DECIDED_SLOTS_IN_PROMISE = 256;
/**
 * An accept is taken up to this many times `maxUndecidedSlots` above the slots decided here. A leader proposes of its own no
 * further than once that above its decided slots. What it recovered reaches further, but no acceptor took anything beyond this
 * many windows above its own decided slots: so to the end of these above the highest decided of its quorum, to which whoever lags
 * catches up. What is beyond comes again then. So one wrong slot number cannot open a gap that the next leader would have to fill,
 * and a node far behind does not keep all that is decided meanwhile.
 */
export const WINDOWS_AHEAD = 4;
/** Beyond the window that a leader may fill by itself, an accept is taken while less than this many times its bytes are undecided here. */
const BYTES_AHEAD = 2;

interface Parts {
  readonly out: Outbox;
  readonly log: ReplicaLog;
  readonly rules: PaxosRules;
  readonly membership: Membership;
  readonly vow: LeaseVow;
  readonly maxBatchBytes: number;
  /** The bounds of every leader. */
  readonly maxUndecidedSlots: number;
  readonly maxUndecidedBytes: number;
}

export class Acceptor {
  /** Never falls, across restarts too. */
  promised: Ballot;
  /** Accepted under `countedBallot`, or decided, without a hole up to here. */
  receivedUpTo: Slot = 0;
  /** The part of `receivedUpTo` that is on disk. */
  durableUpTo: Slot = 0;
  /** The ballot under which `receivedUpTo` counts; 0 before anything was accepted in this life. */
  countedBallot: Ballot = 0;
  #acknowledgedUpTo: Slot = 0;
  /** "Up to this slot once that record is on disk", in order. */
  #marks: { readonly record: number; readonly upTo: Slot }[] = [];
  #parts: Parts;

  constructor(parts: Parts, promised: Ballot) {
    this.#parts = parts;
    this.promised = promised;
  }

  /** Binds this acceptor to a higher ballot. */
  raise(ballot: Ballot): void {
    if (ballot <= this.promised) throw new Error(`promised ballot ${this.promised} cannot fall to ${ballot}`);
    this.promised = ballot;
    this.#parts.out.persist({ kind: 'promised', ballot });
  }

  /**
   * Not needed for safety, hence no rule: a promise below the one in force would hold as well, since that one never falls, but its
   * candidate could get nothing accepted here ("there is then no reason for the acceptor to respond"). A candidate of an ended
   * configuration is told so at once: it could propose nothing before it had learned the end, and one that was removed would
   * raise promises for nothing.
   */
  mayPromise({ ballot, configId }: Prepare): boolean {
    return configId >= this.#parts.membership.configId && ballot >= this.promised;
  }

  /** Phase 1b. While a lease is vowed a higher ballot gets no answer yet; its candidate asks again every heartbeat. */
  onPrepare(from: MemberSlot, message: Prepare): void {
    if (!this.mayPromise(message)) return this.#refuse(from, message.ballot);
    if (message.ballot > this.promised && this.#parts.vow.forbids(message.leaseReleased)) return;
    if (message.ballot > this.promised) this.raise(message.ballot);
    this.#sendPromise(from, message);
  }

  /** Phase 2b for everything in the message. Returns false when it was refused. */
  onAccept(from: MemberSlot, message: Accept): boolean {
    if (!this.#parts.rules.mayAccept(this.promised, message.ballot)) {
      this.#refuse(from, message.ballot);
      return false;
    }
    if (message.ballot > this.promised) this.raise(message.ballot);
    const takenUpTo = this.#takenUpTo();
    const taken = message.entries.filter((entry) => entry.slot <= takenUpTo && this.#isIntact(from, entry));
    const isNews = this.accept(message.ballot, taken);
    if (isNews) this.#acknowledgeNews(from);
    // Nothing new: the leader sent again because it knows less than is on disk here.
    else if (message.entries.length > 0) this.#sendAccepted(from, this.durableUpTo);
    return true;
  }

  /** Whether all of it would be taken, as far as slots and bytes go. */
  hasRoomFor({ entries }: Accept): boolean {
    return (entries.at(-1)?.slot ?? 0) <= this.#takenUpTo();
  }

  #takenUpTo(): Slot {
    const { log, maxUndecidedSlots, maxUndecidedBytes } = this.#parts;
    const windows = log.undecidedBytes < BYTES_AHEAD * maxUndecidedBytes ? WINDOWS_AHEAD : 1;
    return log.decidedUpTo + windows * maxUndecidedSlots;
  }

  /** Accepts entries proposed under `ballot`; true if any was new. The caller has checked the promise. */
  accept(ballot: Ballot, entries: readonly Entry[]): boolean {
    const { log, out } = this.#parts;
    let isNews = false;
    if (this.countedBallot !== ballot) this.#countFrom(ballot);
    for (const entry of entries) {
      const isKnown = log.get(entry.slot)?.ballot === ballot && !log.isLost(entry.slot);
      if (entry.slot <= log.decidedUpTo || isKnown) continue;
      out.persist({ kind: 'accepted', entry });
      log.put(entry);
      isNews = true;
    }
    this.settle();
    return isNews;
  }

  /** Keeps a value that is known to be chosen, under the ballot of the peer that told it. */
  keepChosen(entry: Entry): void {
    const { log, out, rules } = this.#parts;
    const known = log.get(entry.slot);
    // An entry told as decided was chosen under its own ballot or a lower one, which binds every higher one.
    if (known !== undefined && known.ballot >= entry.ballot && known.digest !== entry.digest)
      throw new Error(
        `slot ${entry.slot}: value of ballot ${known.ballot} differs from the one chosen at ${entry.ballot}`,
      );
    if (!rules.mustKeepLearned(known, entry)) return;
    if (entry.ballot > this.promised) this.raise(entry.ballot);
    out.persist({ kind: 'accepted', entry });
    log.put(entry);
  }

  /** Counts on over slots that are now accepted or decided. */
  settle(): void {
    const { log, out, rules } = this.#parts;
    let upTo = Math.max(this.receivedUpTo, log.decidedUpTo);
    while (rules.countsAsAccepted(log.get(upTo + 1), log.isLost(upTo + 1), this.countedBallot)) upTo += 1;
    if (upTo === this.receivedUpTo) return;
    this.receivedUpTo = upTo;
    if (out.durableUpTo >= out.lastRecord) this.durableUpTo = upTo;
    else this.#marks.push({ record: out.lastRecord, upTo });
  }

  onDurable(record: number): void {
    let reached = 0;
    for (const mark of this.#marks) {
      if (mark.record > record) break;
      this.durableUpTo = mark.upTo;
      reached += 1;
    }
    if (reached > 0) this.#marks.splice(0, reached);
  }

  /**
   * Tells the leader of `ballot`, once durable, how far this acceptor got, if that is news. Only while it is bound to that
   * very ballot: decided slots count as accepted, and under a higher ballot they may hold other values than this leader's.
   */
  acknowledge(leader: MemberSlot, ballot: Ballot): void {
    const ballots = { leader: ballot, promised: this.promised, counted: this.countedBallot };
    if (this.#parts.rules.mayAcknowledge(ballots)) this.#acknowledgeNews(leader);
  }

  #acknowledgeNews(leader: MemberSlot): void {
    if (this.receivedUpTo <= this.#acknowledgedUpTo) return;
    this.#acknowledgedUpTo = this.receivedUpTo;
    this.#sendAccepted(leader, this.receivedUpTo);
  }

  /** The count and the ballot that it is about go together; by that ballot a leader knows which answers are its own. */
  #countFrom(ballot: Ballot): void {
    this.countedBallot = ballot;
    this.#marks = [];
    this.receivedUpTo = 0;
    this.durableUpTo = 0;
    this.#acknowledgedUpTo = 0;
  }

  #sendAccepted(to: MemberSlot, durableUpTo: Slot): void {
    const message = {
      kind: 'accepted',
      ballot: this.countedBallot,
      durableUpTo,
      receivedUpTo: this.receivedUpTo,
    } as const;
    if (durableUpTo > this.durableUpTo) this.#parts.out.sendDurable(to, message);
    else this.#parts.out.send(to, message);
  }

  #sendPromise(to: MemberSlot, { ballot, fromSlot }: Prepare): void {
    const { log, out, maxBatchBytes } = this.#parts;
    const isNear = fromSlot >= log.startSlot && log.decidedUpTo - fromSlot < DECIDED_SLOTS_IN_PROMISE;
    let coversFrom = fromSlot;
    let readFrom = isNear ? fromSlot : Math.max(fromSlot, log.decidedUpTo + 1);
    for (let page = 0, last = false; !last; page++) {
      const entries = log.page({ fromSlot: readFrom, upToSlot: log.acceptedUpTo, maxBytes: maxBatchBytes });
      const lastSlot = entries.at(-1)?.slot ?? log.acceptedUpTo;
      last = lastSlot >= log.acceptedUpTo;
      const { decidedUpTo } = log;
      // All of them, even when the prepare asks for the rest of a report: those of the missing last page have not come.
      const faulty = last ? log.faulty() : [];
      const part = { fromSlot: coversFrom, page, last, entries, faulty, decidedUpTo };
      out.sendDurable(to, { kind: 'promise', ballot, ...part });
      coversFrom = readFrom = lastSlot + 1;
    }
  }

  #refuse(to: MemberSlot, ballot: Ballot): void {
    const { out, membership } = this.#parts;
    out.send(to, { kind: 'nack', ballot, promised: this.promised, configId: membership.configId });
  }

  #isIntact(from: MemberSlot, entry: Entry): boolean {
    if (this.#parts.rules.isIntact(entry)) return true;
    this.#parts.out.event({ kind: 'digestMismatch', from, slot: entry.slot });
    return false;
  }
}
