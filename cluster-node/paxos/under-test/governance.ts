/**
 * For tests: which configuration governs which slot, and what is chosen in it, counted from outside. It trusts no node's
 * arithmetic: only what reached a disk counts, and only the voters of the slot's own configuration count it.
 */
import type { Ballot, MemberSlot, Slot } from '../../contract/ballot.ts';
import {
  type Configuration,
  decodeConfiguration,
  isConfigurationValue,
  quorumSizesOf,
  votersOf,
} from '../../contract/configuration.ts';
import type { Entry } from '../../contract/peer.ts';

export class Governance {
  chosenUpTo: Slot = 0;
  readonly #chosen = new Map<Slot, string>();
  readonly #votes = new Map<Slot, Map<Ballot, Map<string, Set<MemberSlot>>>>();
  /** By the last slot before them, ascending. */
  readonly #configurations: { readonly after: Slot; readonly configuration: Configuration }[];

  constructor(first: Configuration) {
    this.#configurations = [{ after: 0, configuration: first }];
  }

  /** Only slots up to the one after `chosenUpTo` have a known configuration. */
  at(slot: Slot): Configuration {
    if (slot > this.chosenUpTo + 1) throw new Error(`nobody knows yet what governs slot ${slot}`);
    const found = this.#configurations.findLast(({ after }) => after < slot);
    return (found as { configuration: Configuration }).configuration;
  }

  onAccepted(member: MemberSlot, entry: Entry): void {
    const ballots = this.#votes.get(entry.slot) ?? new Map<Ballot, Map<string, Set<MemberSlot>>>();
    this.#votes.set(entry.slot, ballots);
    const values = ballots.get(entry.ballot) ?? new Map<string, Set<MemberSlot>>();
    ballots.set(entry.ballot, values);
    const text = textOf(entry);
    values.set(text, (values.get(text) ?? new Set()).add(member));
    if (values.size > 1) throw new Error(`slot ${entry.slot} has two values under ballot ${entry.ballot}`);
    const chosen = this.#chosen.get(entry.slot);
    if (chosen !== undefined && chosen !== text && this.#isChosen(entry.slot, text))
      throw new Error(`slot ${entry.slot} has two chosen values`);
  }

  onDelivered(member: MemberSlot, entry: Entry): void {
    const { slot } = entry;
    const text = textOf(entry);
    const known = this.#chosen.get(slot);
    if (known === text) return;
    if (known !== undefined) throw new Error(`member ${member} delivered another value in slot ${slot}`);
    if (!this.#isChosen(slot, text))
      throw new Error(`member ${member} delivered slot ${slot}, which no quorum of its configuration has on disk`);
    this.#chosen.set(slot, text);
    this.chosenUpTo = Math.max(this.chosenUpTo, slot);
    if (!isConfigurationValue(entry.value)) return;
    const now = this.at(slot);
    const next = decodeConfiguration(entry.value);
    if (next.configId !== now.configId + 1) return;
    checkStep(now, next);
    this.#configurations.push({ after: slot, configuration: next });
  }

  /** Whether this node acts by the configuration that governs the slot after its decided ones. */
  check(member: MemberSlot, configuration: Configuration, decidedUpTo: Slot): void {
    const due = this.at(decidedUpTo + 1);
    if (due.configId !== configuration.configId)
      throw new Error(
        `member ${member} is in ${configuration.configId} at slot ${decidedUpTo + 1}, not ${due.configId}`,
      );
  }

  /** A leader's ballot is promised on the disks of a phase 1 quorum of what governs its first slot. */
  onLeader({ ballot, fromSlot }: { ballot: Ballot; fromSlot: Slot }, promisedBy: (voter: MemberSlot) => Ballot): void {
    const configuration = this.at(fromSlot);
    const count = votersOf(configuration).filter((voter) => promisedBy(voter) >= ballot).length;
    if (count < quorumSizesOf(configuration).phase1)
      throw new Error(`ballot ${ballot} leads from slot ${fromSlot} by ${count} promises`);
  }

  #isChosen(slot: Slot, text: string): boolean {
    const configuration = this.at(slot);
    const voters = votersOf(configuration);
    for (const values of this.#votes.get(slot)?.values() ?? []) {
      const count = voters.filter((voter) => values.get(text)?.has(voter)).length;
      if (count >= quorumSizesOf(configuration).phase2) return true;
    }
    return false;
  }
}

function checkStep(now: Configuration, next: Configuration): void {
  const before = votersOf(now);
  const after = votersOf(next);
  const union = new Set([...before, ...after]).size;
  if (union - before.length + (union - after.length) > 1) throw new Error('more than one voter changed at once');
  const from = quorumSizesOf(now);
  const to = quorumSizesOf(next);
  for (const [phase1, phase2] of [
    [to.phase1, from.phase2],
    [from.phase1, to.phase2],
  ] as const)
    if (phase1 + phase2 <= union)
      throw new Error(`quorums of configurations ${now.configId} and ${next.configId} miss`);
}

function textOf({ value }: Entry): string {
  return String.fromCharCode(...value);
}
