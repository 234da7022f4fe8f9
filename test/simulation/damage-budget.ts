/**
 * How much may be lost on disks at once, so that what was chosen can still be found and the cluster goes on. For the
 * configuration in force, for the one before it until one whose disk is left has on disk that it ended, and for every one that
 * may follow:
 * - the voters whose disks are not lost are enough for both phases,
 * - for each slot, a phase 1 quorum of them has an undamaged copy of whatever it accepted there.
 * Each phase 2 quorum has a member in the latter, of this configuration for its own slots, and for earlier ones of the one before,
 * whose stop entry came after everything else that it chose. So a chosen value is intact somewhere, and enough members remain
 * to tell that nothing was chosen where nothing is.
 */
import type { MemberSlot, Slot } from '../../cluster-node/contract/ballot.ts';
import {
  type Configuration,
  type ConfigurationChange,
  quorumSizesOf,
  votersOf,
} from '../../cluster-node/contract/configuration.ts';
import { planChange } from '../../cluster-node/paxos/reconfiguration.ts';
import type { SimulatedNode } from './node.ts';
import type { Votes } from './votes.ts';

export class DamageBudget {
  /** May follow the configuration in force: its leader was asked to bring them about. */
  #successors: Configuration[] = [];
  readonly #votes: Votes;
  readonly #nodes: ReadonlyMap<MemberSlot, SimulatedNode>;

  constructor(votes: Votes, nodes: ReadonlyMap<MemberSlot, SimulatedNode>) {
    this.#votes = votes;
    this.#nodes = nodes;
  }

  /** Whether this copy of what was accepted in a slot may be damaged as well. */
  allowsDamage(node: SimulatedNode, slot: Slot): boolean {
    return this.#electorates(null).every((electorate) => this.#soundAt(electorate, slot, node) >= phase1Of(electorate));
  }

  /** Whether this disk may be lost as well. */
  allowsLoss(node: SimulatedNode): boolean {
    return this.#electorates(node).every((electorate) => this.#survives(electorate, node));
  }

  /** Whether an operator who knows of the damage may ask the leader for this change. If so, it may come at any time. */
  allowsChange(change: ConfigurationChange, leader: MemberSlot): boolean {
    const { configuration } = this.#votes;
    const everyone = { leader, isPresent: () => true, decidedUpTo: 0, durableUpTo: () => 0 };
    const plan = planChange(configuration, change, everyone);
    if (plan.kind === 'refused') return true;
    if (!this.#survives(plan.configuration, null)) return false;
    this.#successors.push(plan.configuration);
    return true;
  }

  #electorates(lost: SimulatedNode | null): Configuration[] {
    const { configuration } = this.#votes;
    this.#successors = this.#successors.filter(({ configId }) => configId > configuration.configId);
    const previous = this.#votes.configurationBefore(configuration.configId);
    return [...(this.#isKnown(configuration, lost) ? [] : [previous]), configuration, ...this.#successors];
  }

  /** A chosen stop entry may be known to nobody: then the members of the configuration that it ended must find it. */
  #isKnown(configuration: Configuration, lost: SimulatedNode | null): boolean {
    const { configurationFrom } = this.#votes;
    return this.#withDisk(configuration, lost).some(({ disk }) => disk.recoverableUpTo() >= configurationFrom - 1);
  }

  /** `lost` has no disk any more. */
  #survives(electorate: Configuration, lost: SimulatedNode | null): boolean {
    const { phase1, phase2 } = quorumSizesOf(electorate);
    const voters = this.#withDisk(electorate, lost);
    if (voters.length < Math.max(phase1, phase2)) return false;
    const damaged = new Set(voters.flatMap(({ disk }) => [...disk.damagedSlots]));
    return [...damaged].every((slot) => this.#soundAt(electorate, slot, lost) >= phase1);
  }

  /** Voters, but for this node, whose copy of the slot is good, if they have one. */
  #soundAt(electorate: Configuration, slot: Slot, except: SimulatedNode | null): number {
    return this.#withDisk(electorate, except).filter(({ disk }) => !disk.damagedSlots.has(slot)).length;
  }

  #withDisk(electorate: Configuration, except: SimulatedNode | null): SimulatedNode[] {
    const voters = votersOf(electorate).flatMap((member) => this.#nodes.get(member) ?? []);
    return voters.filter((node) => node !== except && !node.hasLostDisk);
  }
}

function phase1Of(electorate: Configuration): number {
  return quorumSizesOf(electorate).phase1;
}
