/**
 * The configuration in force at the first slot that is not decided here, and what follows from it. A configuration governs a
 * stretch of slots. The last of them holds its successor, the stop entry (Lamport, Malkhi and Zhou, "Stoppable Paxos"), so
 * each configuration is a Multi-Paxos of its own: its leader has run phase 1 with its quorums, and proposes in its stretch only.
 */
import type { MemberSlot } from '../contract/ballot.ts';
import {
  type Configuration,
  decodeConfiguration,
  isConfigurationValue,
  type MemberRole,
} from '../contract/configuration.ts';
import type { QuorumSystem } from './quorum.ts';
import type { PaxosRules } from './rules.ts';

export class Membership {
  readonly self: MemberSlot;
  configuration: Configuration;
  quorums: QuorumSystem;
  #rules: PaxosRules;
  #roles = new Map<MemberSlot, MemberRole>();

  constructor(self: MemberSlot, configuration: Configuration, rules: PaxosRules) {
    this.self = self;
    this.#rules = rules;
    this.configuration = configuration;
    this.quorums = this.#derive();
  }

  get configId(): number {
    return this.configuration.configId;
  }

  /** This node was a member once. Member slots are never given again, so it never will be. */
  get isRemoved(): boolean {
    return this.roleOf(this.self) === null && this.self < this.configuration.nextMemberSlot;
  }

  /** null: not a member (any more, or not yet). */
  roleOf(member: MemberSlot): MemberRole | null {
    return this.#roles.get(member) ?? null;
  }

  isVoter(member: MemberSlot): boolean {
    return this.#roles.get(member) === 'voter';
  }

  /**
   * The configuration that this value begins if it is decided next, else null. A configuration of another number is what an
   * earlier leader proposed and did not get chosen; proposed again in a later stretch it changes nothing.
   */
  successorIn(value: Uint8Array): Configuration | null {
    if (!isConfigurationValue(value)) return null;
    const configuration = decodeConfiguration(value);
    return this.#rules.isSuccessor(configuration.configId, this.configId) ? configuration : null;
  }

  /** Throws Error when it is older than what is known, RangeError when its quorums need not intersect. */
  enter(configuration: Configuration): void {
    if (configuration.configId <= this.configId)
      throw new Error(`configuration ${configuration.configId} cannot follow configuration ${this.configId}`);
    this.configuration = configuration;
    this.quorums = this.#derive();
  }

  /** "node-2 (member 2)". */
  nameOf(member: MemberSlot): string {
    const found = this.configuration.members.find(({ memberSlot }) => memberSlot === member);
    return found === undefined ? `member ${member}` : `${found.name} (member ${member})`;
  }

  #derive(): QuorumSystem {
    const { configuration } = this;
    this.#roles = new Map(configuration.members.map(({ memberSlot, role }) => [memberSlot, role]));
    return this.#rules.quorums(this.#rules.voters(configuration), configuration.quorumSizes);
  }
}
