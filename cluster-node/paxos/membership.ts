/**
 * The configuration in force at the first slot that is not decided here, and what follows from it. A configuration governs a
 * stretch of slots: the one that holds its successor (the stop entry) is the last of them.
 */
import type { MemberSlot } from '../contract/ballot.ts';
import { type Configuration, type MemberRole, votersOf } from '../contract/configuration.ts';
import type { QuorumSystem } from './quorum.ts';
import type { PaxosRules } from './rules.ts';

export class Membership {
  readonly self: MemberSlot;
  configuration: Configuration;
  quorums: QuorumSystem;

  constructor(self: MemberSlot, configuration: Configuration, rules: PaxosRules) {
    this.self = self;
    this.configuration = configuration;
    this.quorums = rules.quorums(votersOf(configuration), configuration.quorumSizes);
  }

  get configId(): number {
    return this.configuration.configId;
  }

  /** null: not a member (any more, or not yet). */
  roleOf(member: MemberSlot): MemberRole | null {
    return this.configuration.members.find(({ memberSlot }) => memberSlot === member)?.role ?? null;
  }
}
