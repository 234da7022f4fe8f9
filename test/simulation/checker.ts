/**
 * Watches every node from outside and throws at the first broken invariant. It counts acceptances by itself, from what
 * reaches the disks, so that it does not trust any node's arithmetic: a value is chosen when a quorum of the configuration in
 * force at its slot has it durably under one ballot, and nothing may be decided that is not chosen.
 */
import type { Ballot, MemberSlot, Slot } from '../../cluster-node/contract/ballot.ts';
import type { Configuration } from '../../cluster-node/contract/configuration.ts';
import type { Entry, PeerMessage, Promise, RequestId } from '../../cluster-node/contract/peer.ts';
import type { DurableRecord } from '../../cluster-node/paxos/interface.ts';
import { numberOf } from './register-machine.ts';
import { Violation } from './violation.ts';
import { Votes } from './votes.ts';

/** How many of an answer's topmost slots are looked up. */
const SLOTS_CHECKED_PER_ANSWER = 32;

/** What the checker remembers of one member. */
interface Acceptor {
  /** As the process has vowed; after a crash, as the disk has it. */
  promised: Ballot;
  /** On disk. */
  durablePromise: Ballot;
  /** The highest ballot accepted by vow that is or was on disk, by slot. What it only learned as decided is not in here. */
  readonly acceptedAt: Ballot[];
  /** The ballot of what it learned as decided after it had promised a higher one, by slot. */
  readonly learnedAt: Ballot[];
  /** Its disk has lost some of it. */
  isDamaged: boolean;
  /** A snapshot has everything up to here, whatever the log has. */
  snapshotUpTo: Slot;
}

export class Checker {
  readonly votes: Votes;
  /** The highest slot that some client knows of: acknowledged, or seen by a finished read. */
  visibleUpTo: Slot = 0;
  #acceptors = new Map<MemberSlot, Acceptor>();
  #proposers = new Map<Ballot, string>();
  #refused = new Set<number>();
  #stateHashes: number[] = [];
  #carriedOutAt = new Map<number, Slot>();

  constructor(configuration: Configuration) {
    this.votes = new Votes(configuration);
  }

  /** A node gave this record to its disk. */
  onPersist(member: MemberSlot, record: DurableRecord): void {
    if (record.kind === 'decided') return;
    const acceptor = this.#acceptor(member);
    const { promised } = acceptor;
    if (record.kind === 'promised') {
      if (record.ballot < promised)
        throw new Violation('promise never falls', `member ${member} promised ${record.ballot} after ${promised}`);
      acceptor.promised = record.ballot;
      return;
    }
    const { entry } = record;
    if (entry.ballot > promised)
      throw new Violation('accepted ≤ promised', `member ${member} accepted ${entry.ballot}, promised ${promised}`);
    if (entry.ballot < promised && !this.votes.isChosen(entry))
      throw new Violation(
        'accepted under promise',
        `member ${member} accepted ${entry.ballot} after promising ${promised}`,
      );
    if (entry.ballot < promised) acceptor.learnedAt[entry.slot] = entry.ballot;
    this.votes.proposed(entry);
  }

  /** This record is now on the node's disk. */
  onDurable(member: MemberSlot, record: DurableRecord): void {
    const acceptor = this.#acceptor(member);
    if (record.kind === 'promised') acceptor.durablePromise = Math.max(acceptor.durablePromise, record.ballot);
    if (record.kind !== 'accepted') return;
    const { slot, ballot } = record.entry;
    acceptor.durablePromise = Math.max(acceptor.durablePromise, ballot);
    if (acceptor.learnedAt[slot] !== ballot)
      acceptor.acceptedAt[slot] = Math.max(acceptor.acceptedAt[slot] ?? 0, ballot);
    this.votes.durable(member, record.entry);
  }

  /** After a crash only what is on the disk binds the node, and it must be all that it ever vowed aloud. */
  onRestart(member: MemberSlot): void {
    const acceptor = this.#acceptor(member);
    acceptor.promised = acceptor.durablePromise;
  }

  /** The disk has lost something that it had. */
  onDamaged(member: MemberSlot): void {
    this.#acceptor(member).isDamaged = true;
  }

  /** A snapshot is on this node's disk. What is in it may have been in the log's way to the disk, or never in the log. */
  onSnapshot(member: MemberSlot, slot: Slot): void {
    const acceptor = this.#acceptor(member);
    acceptor.snapshotUpTo = Math.max(acceptor.snapshotUpTo, slot);
  }

  /** A message leaves the node. */
  onSend(member: MemberSlot, message: PeerMessage): void {
    switch (message.kind) {
      case 'prepare':
      case 'promise': {
        if (this.#acceptor(member).durablePromise < message.ballot)
          throw new Violation('durable before sent', `${message.kind} ${message.ballot} of member ${member}`);
        return message.kind === 'promise' ? this.#onPromise(member, message) : undefined;
      }
      case 'accepted':
        return this.#onAccepted(member, message.ballot, message.durableUpTo);
    }
  }

  /** A prepare leaves a node (`life` tells its restarts apart). */
  onProposer(ballot: Ballot, member: MemberSlot, life: number): void {
    const proposer = `${member}/${life}`;
    const earlier = this.#proposers.get(ballot) ?? proposer;
    if (earlier !== proposer)
      throw new Violation('a ballot is used in one life', `ballot ${ballot} by ${proposer} and ${earlier}`);
    this.#proposers.set(ballot, proposer);
  }

  onDeliver(member: MemberSlot, entry: Entry, previous: Slot): void {
    if (entry.slot !== previous + 1)
      throw new Violation('delivery in order', `member ${member} delivered ${entry.slot} after ${previous}`);
    if (!this.votes.isChosen(entry))
      throw new Violation('decided is chosen', `member ${member}, slot ${entry.slot}, ballot ${entry.ballot}`);
  }

  /** What a restarted node replays from its own log must be what was chosen. */
  onReplay(member: MemberSlot, entry: Entry | undefined, slot: Slot): void {
    if (entry === undefined || !this.votes.isChosen(entry))
      throw new Violation('decided survives a crash', `member ${member}, slot ${slot}`);
  }

  /** A machine that has applied everything up to `slot` is in this state. */
  onApplied(member: MemberSlot, slot: Slot, stateHash: number): void {
    const known = this.#stateHashes[slot];
    if (known === undefined) this.#stateHashes[slot] = stateHash;
    else if (known !== stateHash) throw new Violation('equal states at equal slots', `member ${member}, slot ${slot}`);
  }

  /** A machine carried this request out in this slot. */
  onCarriedOut(request: RequestId, slot: Slot): void {
    const number = numberOf(request);
    if (this.#refused.has(number)) throw new Violation('refused is never proposed', `slot ${slot}`);
    const earlier = this.#carriedOutAt.get(number);
    if (earlier === undefined) this.#carriedOutAt.set(number, slot);
    else if (earlier !== slot)
      throw new Violation(
        'a request is applied once',
        `request ${request.sequence} of member ${request.origin}, life ${request.boot}: slots ${earlier} and ${slot}`,
      );
  }

  /** A client was told that its request is not and will not be proposed. */
  onRefused(request: RequestId): void {
    this.#refused.add(numberOf(request));
  }

  onVisible(slot: Slot): void {
    this.visibleUpTo = Math.max(this.visibleUpTo, slot);
  }

  /** A read is answered from a machine that has applied everything up to `appliedUpTo`. */
  onRead(member: MemberSlot, appliedUpTo: Slot, visibleAtInvocation: Slot): void {
    if (appliedUpTo < visibleAtInvocation)
      throw new Violation(
        'linearizable reads',
        `member ${member} reads at ${appliedUpTo}, ${visibleAtInvocation} was visible`,
      );
  }

  /** What this acceptor has on disk, or had before its disk lost it, must be in the page that covers it. */
  #onPromise(member: MemberSlot, { ballot, fromSlot, entries, last, decidedUpTo, faulty }: Promise): void {
    const { acceptedAt, isDamaged } = this.#acceptor(member);
    const upTo = last ? acceptedAt.length - 1 : (entries.at(-1)?.slot ?? 0);
    let at = 0;
    for (let slot = Math.max(fromSlot, decidedUpTo + 1); slot <= upTo; slot++) {
      const accepted = acceptedAt[slot];
      if (accepted === undefined || accepted >= ballot) continue;
      while (at < entries.length && (entries[at] as Entry).slot < slot) at += 1;
      const told = entries[at];
      // Lost, and says so; or says so with the last page.
      if (!last && isDamaged) continue;
      if (faulty.some((lost) => lost.slot === slot && (lost.ballot === null || lost.ballot >= accepted))) continue;
      // A log that ends before what it once called decided has the chosen value, if not every ballot that it came under.
      if (told?.slot === slot && (told.ballot >= accepted || this.votes.wasChosenBy(told))) continue;
      throw new Violation(
        'a promise tells everything accepted',
        `member ${member}, slot ${slot}: accepted under ${accepted}, told ${told?.slot === slot ? told.ballot : 'nothing'}`,
      );
    }
  }

  #onAccepted(member: MemberSlot, ballot: Ballot, durableUpTo: Slot): void {
    const { acceptedAt, snapshotUpTo } = this.#acceptor(member);
    for (let slot = durableUpTo; slot > durableUpTo - SLOTS_CHECKED_PER_ANSWER && slot > snapshotUpTo; slot--) {
      const accepted = acceptedAt[slot] ?? 0;
      // A decided value counts as accepted under every later ballot: it binds them all. Not under an earlier one.
      if (accepted === ballot || this.votes.holds(member, slot, ballot)) continue;
      const invariant = accepted < ballot ? 'durable before sent' : 'accepted is of this ballot';
      throw new Violation(invariant, `accepted slot ${slot} of member ${member}, ballot ${ballot}`);
    }
  }

  #acceptor(member: MemberSlot): Acceptor {
    let acceptor = this.#acceptors.get(member);
    if (acceptor === undefined)
      this.#acceptors.set(
        member,
        (acceptor = {
          promised: 0,
          durablePromise: 0,
          acceptedAt: [],
          learnedAt: [],
          isDamaged: false,
          snapshotUpTo: 0,
        }),
      );
    return acceptor;
  }
}
