/**
 * Watches every node from outside and throws at the first broken invariant. It counts acceptances by itself, from what
 * reaches the disks, so that it does not trust any node's arithmetic: a value is chosen when a majority has it durably under
 * one ballot, and nothing may be decided that is not chosen.
 */
import type { Ballot, MemberSlot, Slot } from '../../cluster-node/contract/ballot.ts';
import type { Entry, PeerMessage } from '../../cluster-node/contract/peer.ts';
import type { DurableRecord } from '../../cluster-node/paxos/interface.ts';
import type { Disk } from './disk.ts';

export class Violation extends Error {
  readonly invariant: string;

  constructor(invariant: string, detail: string) {
    super(`${invariant}: ${detail}`);
    this.invariant = invariant;
  }
}

/** How many of an answer's topmost slots are looked up on the disk. */
const SLOTS_CHECKED_PER_ANSWER = 32;

interface Vote {
  readonly value: string;
  readonly durableAt: Set<MemberSlot>;
}

export class Checker {
  /** The highest slot that some client knows of: acknowledged, or seen by a finished read. */
  visibleUpTo: Slot = 0;
  #majority: number;
  #votes = new Map<Slot, Map<Ballot, Vote>>();
  #chosen = new Map<Slot, string>();
  #promised = new Map<MemberSlot, Ballot>();
  #proposers = new Map<Ballot, string>();
  #refused = new Set<string>();

  constructor(memberCount: number) {
    this.#majority = Math.floor(memberCount / 2) + 1;
  }

  /** A node gave this record to its disk. */
  onPersist(member: MemberSlot, record: DurableRecord): void {
    if (record.kind === 'decided') return;
    const promised = this.#promised.get(member) ?? 0;
    if (record.kind === 'promised') {
      if (record.ballot < promised)
        throw new Violation('promise never falls', `member ${member} promised ${record.ballot} after ${promised}`);
      this.#promised.set(member, record.ballot);
      return;
    }
    const { entry } = record;
    const value = textOf(entry);
    if (entry.ballot > promised)
      throw new Violation('accepted ≤ promised', `member ${member} accepted ${entry.ballot}, promised ${promised}`);
    if (entry.ballot < promised && this.#chosen.get(entry.slot) !== value)
      throw new Violation(
        'accepted under promise',
        `member ${member} accepted ${entry.ballot} after promising ${promised}`,
      );
    const vote = this.#vote(entry, value);
    if (vote.value !== value)
      throw new Violation('one value per ballot and slot', `slot ${entry.slot}, ballot ${entry.ballot}`);
  }

  /** This record is now on the node's disk. */
  onDurable(member: MemberSlot, record: DurableRecord): void {
    if (record.kind !== 'accepted') return;
    const { entry } = record;
    const vote = this.#vote(entry, textOf(entry));
    vote.durableAt.add(member);
    if (vote.durableAt.size < this.#majority) return;
    const chosen = this.#chosen.get(entry.slot);
    if (chosen !== undefined && chosen !== vote.value)
      throw new Violation('one chosen value per slot', `slot ${entry.slot} at ballot ${entry.ballot}`);
    this.#chosen.set(entry.slot, vote.value);
  }

  /** After a crash only what is on the disk binds the node, and it must be all that it ever vowed aloud. */
  onRestart(member: MemberSlot, disk: Disk): void {
    this.#promised.set(member, disk.promised);
  }

  /** A message leaves the node. */
  onSend(member: MemberSlot, message: PeerMessage, disk: Disk): void {
    if ((message.kind === 'promise' || message.kind === 'prepare') && disk.promised < message.ballot)
      throw new Violation('durable before sent', `${message.kind} ${message.ballot} of member ${member}`);
    if (message.kind !== 'accepted') return;
    for (let slot = message.durableUpTo; slot > message.durableUpTo - SLOTS_CHECKED_PER_ANSWER && slot > 0; slot--)
      if (!disk.accepted.has(slot))
        throw new Violation(
          'durable before sent',
          `accepted slot ${slot} of member ${member}, ballot ${message.ballot}`,
        );
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
    const value = textOf(entry);
    if (this.#chosen.get(entry.slot) !== value)
      throw new Violation('decided is chosen', `member ${member}, slot ${entry.slot}, ballot ${entry.ballot}`);
    if (this.#refused.has(value))
      throw new Violation('refused is never proposed', `member ${member}, slot ${entry.slot}`);
  }

  /** What a restarted node replays from its own log must be what was chosen. */
  onReplay(member: MemberSlot, entry: Entry | undefined, slot: Slot): void {
    if (entry === undefined || this.#chosen.get(slot) !== textOf(entry))
      throw new Violation('decided survives a crash', `member ${member}, slot ${slot}`);
  }

  onRefused(value: Uint8Array): void {
    this.#refused.add(Buffer.from(value).toString('latin1'));
  }

  onVisible(slot: Slot): void {
    this.visibleUpTo = Math.max(this.visibleUpTo, slot);
  }

  onRead(member: MemberSlot, readSlot: Slot, visibleAtInvocation: Slot): void {
    if (readSlot < visibleAtInvocation)
      throw new Violation(
        'linearizable reads',
        `member ${member} reads at ${readSlot}, ${visibleAtInvocation} was visible`,
      );
  }

  #vote(entry: Entry, value: string): Vote {
    let ballots = this.#votes.get(entry.slot);
    if (ballots === undefined) this.#votes.set(entry.slot, (ballots = new Map<Ballot, Vote>()));
    let vote = ballots.get(entry.ballot);
    if (vote === undefined) ballots.set(entry.ballot, (vote = { value, durableAt: new Set() }));
    return vote;
  }
}

function textOf(entry: Entry): string {
  return Buffer.from(entry.value.buffer, entry.value.byteOffset, entry.value.length).toString('latin1');
}
