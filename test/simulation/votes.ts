/** Which values have how many durable acceptances, counted from the disks and by nobody's word. */
import type { Ballot, MemberSlot, Slot } from '../../cluster-node/contract/ballot.ts';
import {
  type Configuration,
  decodeConfiguration,
  isConfigurationValue,
  votersOf,
} from '../../cluster-node/contract/configuration.ts';
import type { Entry } from '../../cluster-node/contract/peer.ts';
import { Violation } from './violation.ts';

interface Vote {
  readonly ballot: Ballot;
  readonly value: Uint8Array;
  /** Bit n: member n has it on disk. */
  durableAt: number;
}

/** Who votes, from one slot on. */
interface Electorate {
  readonly configuration: Configuration;
  readonly fromSlot: Slot;
  /** Bit n: member n votes. */
  readonly voters: number;
  /** How many of them choose a value. */
  readonly quorum: number;
}

export class Votes {
  #electorates: Electorate[];
  #bySlot: (Vote[] | undefined)[] = [undefined];
  #chosen: (Uint8Array | undefined)[] = [];

  /** Is told every configuration that is chosen, with the one before. */
  onConfiguration: (next: Configuration, previous: Configuration) => void = () => undefined;

  constructor(configuration: Configuration) {
    this.#electorates = [electorateOf(configuration, 1)];
  }

  /** The last one that is chosen. */
  get configuration(): Configuration {
    return (this.#electorates.at(-1) as Electorate).configuration;
  }

  /** From this slot on the last one is in force: the slot after the stop entry that names it. */
  get configurationFrom(): Slot {
    return (this.#electorates.at(-1) as Electorate).fromSlot;
  }

  /** The one before that of this number; the first has none but itself. */
  configurationBefore(configId: number): Configuration {
    const at = this.#electorates.findIndex(({ configuration }) => configuration.configId === configId);
    return (this.#electorates[Math.max(0, at - 1)] as Electorate).configuration;
  }

  /** The highest slot in which anyone accepted anything. */
  get lastAccepted(): Slot {
    return this.#bySlot.length - 1;
  }

  /** The value chosen in a slot; undefined while there is none. */
  chosen(slot: Slot): Uint8Array | undefined {
    return this.#chosen[slot];
  }

  isChosen({ slot, value }: Entry): boolean {
    const chosen = this.#chosen[slot];
    return chosen !== undefined && areEqual(chosen, value);
  }

  /** Whether its value was chosen under its ballot or a lower one: then nothing else is accepted under any higher one. */
  wasChosenBy({ slot, ballot, value }: Entry): boolean {
    const { voters, quorum } = this.#electorateAt(slot);
    const isChosen = (vote: Vote) => areEqual(vote.value, value) && countOf(vote.durableAt & voters) >= quorum;
    return this.#bySlot[slot]?.some((vote) => vote.ballot <= ballot && isChosen(vote)) === true;
  }

  /** Someone accepts this entry; under one ballot all must accept the same. */
  proposed(entry: Entry): void {
    this.#vote(entry);
  }

  durable(member: MemberSlot, entry: Entry): void {
    const { slot } = entry;
    const vote = this.#vote(entry);
    vote.durableAt |= 1 << member;
    const { voters, quorum } = this.#electorateAt(slot);
    if (countOf(vote.durableAt & voters) < quorum) return;
    const chosen = this.#chosen[slot];
    if (chosen !== undefined && !areEqual(chosen, vote.value))
      throw new Violation('one chosen value per slot', `slot ${slot} at ballot ${entry.ballot}`);
    this.#chosen[slot] = vote.value;
    if (chosen === undefined && isConfigurationValue(vote.value)) this.#onStop(slot, vote.value);
  }

  /** Whether the member has on disk what it accepted in this slot under `ballot`, or, under a lower one, what is chosen there. */
  holds(member: MemberSlot, slot: Slot, ballot: Ballot): boolean {
    const chosen = this.#chosen[slot];
    const counts = (vote: Vote) =>
      vote.ballot === ballot || (vote.ballot < ballot && chosen !== undefined && areEqual(vote.value, chosen));
    return this.#bySlot[slot]?.some((vote) => (vote.durableAt & (1 << member)) !== 0 && counts(vote)) === true;
  }

  /**
   * A stop entry ends its configuration. What its members accepted after it is void: nobody can have been told that it is
   * decided, since nothing is before the stop entry is.
   */
  #onStop(slot: Slot, value: Uint8Array): void {
    const next = decodeConfiguration(value);
    const previous = this.#electorateAt(slot).configuration;
    if (next.configId !== previous.configId + 1) return;
    while ((this.#electorates.at(-1) as Electorate).fromSlot > slot) this.#electorates.pop();
    this.#electorates.push(electorateOf(next, slot + 1));
    this.#chosen.length = Math.min(this.#chosen.length, slot + 1);
    this.onConfiguration(next, previous);
  }

  #electorateAt(slot: Slot): Electorate {
    for (let at = this.#electorates.length - 1; at > 0; at--) {
      const electorate = this.#electorates[at] as Electorate;
      if (electorate.fromSlot <= slot) return electorate;
    }
    return this.#electorates[0] as Electorate;
  }

  #vote({ slot, ballot, value }: Entry): Vote {
    let votes = this.#bySlot[slot];
    if (votes === undefined) this.#bySlot[slot] = votes = [];
    // The newest ballot is what is voted on.
    for (let at = votes.length - 1; at >= 0; at--) {
      const vote = votes[at] as Vote;
      if (vote.ballot !== ballot) continue;
      if (!areEqual(vote.value, value))
        throw new Violation('one value per ballot and slot', `slot ${slot}, ballot ${ballot}`);
      return vote;
    }
    const vote = { ballot, value, durableAt: 0 };
    votes.push(vote);
    return vote;
  }
}

export function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

function electorateOf(configuration: Configuration, fromSlot: Slot): Electorate {
  const voters = votersOf(configuration);
  const quorum = configuration.quorumSizes?.phase2 ?? Math.floor(voters.length / 2) + 1;
  return { configuration, fromSlot, voters: bitsOf(voters), quorum };
}

function bitsOf(members: readonly MemberSlot[]): number {
  return members.reduce((bits, member) => bits | (1 << member), 0);
}

function countOf(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
