/**
 * Negative controls: known bugs, each of which the checker must catch. They replace a rule, or the simulated runtime's
 * obedience, from outside; the product has no switch for them.
 */
import { nextBallot, type Slot } from '../../cluster-node/contract/ballot.ts';
import type { Configuration } from '../../cluster-node/contract/configuration.ts';
import type { DurableRecord, RecoveredState } from '../../cluster-node/paxos/interface.ts';
import { countingQuorums } from '../../cluster-node/paxos/quorum.ts';
import { PAXOS_RULES, type PaxosRules } from '../../cluster-node/paxos/rules.ts';
import type { MachineSnapshot, RetriedRequests } from './register-machine.ts';
import type { Snapshot } from './snapshot-files.ts';

export interface Control {
  readonly rules: PaxosRules;
  /** The runtime answers reads from whatever it has applied. */
  readonly readsBeforeApplied: boolean;
  /** The machine carries out a request once, however often it is decided. */
  readonly retried: RetriedRequests;
  /** How far the log is decided stands apart from the log, and is on disk before it. */
  readonly decidedApart: boolean;
  /** Nodes are told that nothing they keep has a bound. */
  readonly isUnbounded: boolean;
  /** The last record that a crash cut short counts as whole. */
  readonly takesTornRecord: boolean;
  /** A record that overwrote another one counts in its place. */
  readonly takesMisdirected: boolean;
  /** Quorums are those of the configuration before the one in force. */
  readonly countsByEarlierConfiguration: boolean;
  /** A node whose disk is lost starts with an empty one. */
  readonly amnesiacsVote: boolean;
  /** What is put on disk for a snapshot. */
  snapshot(snapshot: Snapshot, first: Configuration): Snapshot;
  /** How far the log is trimmed once a newer snapshot than the one of slot `before` is durable. */
  trimSlot(before: Slot, appliedUpTo: Slot): Slot;
  persists(record: DurableRecord): boolean;
  /** `firstSlot`: where the log begins. */
  recovered(state: RecoveredState, firstSlot: Slot): RecoveredState;
}

export const CORRECT: Control = {
  rules: PAXOS_RULES,
  readsBeforeApplied: false,
  retried: 'ignored',
  decidedApart: false,
  isUnbounded: false,
  takesTornRecord: false,
  takesMisdirected: false,
  countsByEarlierConfiguration: false,
  amnesiacsVote: false,
  snapshot: (snapshot) => snapshot,
  trimSlot: (before) => before,
  persists: () => true,
  recovered: (state) => state,
};

function rule(change: Partial<PaxosRules>): Control {
  return { ...CORRECT, rules: { ...PAXOS_RULES, ...change } };
}

function runtime(change: Partial<Control>): Control {
  return { ...CORRECT, ...change };
}

function machineSnapshot(change: (machine: MachineSnapshot) => MachineSnapshot): Control {
  return runtime({ snapshot: (snapshot) => ({ ...snapshot, machine: change(snapshot.machine) }) });
}

/** Quorums of which one phase's is smaller than it may be. */
function smallQuorums(less: { readonly phase1: number; readonly phase2: number }): Control {
  return rule({
    quorums: (voters) => {
      const majority = Math.floor(voters.length / 2) + 1;
      return countingQuorums(voters, Math.max(1, majority - less.phase1), Math.max(1, majority - less.phase2));
    },
  });
}

export const CONTROLS = {
  // Paxos itself.
  'accepts below its promise': rule({ mayAccept: () => true }),
  'ignores accepted values': rule({ binding: () => undefined }),
  'binds the lowest ballot': rule({
    binding: (known, reported) => (known === undefined || reported.ballot < known.ballot ? reported : known),
  }),
  'quorum minus one in phase 1': smallQuorums({ phase1: 1, phase2: 0 }),
  'quorum minus one in phase 2': smallQuorums({ phase1: 0, phase2: 1 }),
  'shares ballots with another member': rule({ nextBallot: (above) => nextBallot(above, 1) }),
  'prepares before durable': rule({ isVow: (kind) => kind !== 'prepare' && PAXOS_RULES.isVow(kind) }),
  'promises before durable': rule({ isVow: (kind) => kind !== 'promise' && PAXOS_RULES.isVow(kind) }),
  'accepts before durable': rule({ isVow: (kind) => kind !== 'accepted' && PAXOS_RULES.isVow(kind) }),

  // A log of many slots.
  'ignores its own acceptances': rule({ ownReport: () => undefined }),
  'overlooks a missing page of a promise': rule({ isNextPage: () => true }),
  'proposes before it learned what is decided': rule({ mustLearnFirst: () => false }),
  'counts what was accepted under another ballot': rule({ countsAsAccepted: (entry) => entry !== undefined }),
  'counts itself before durable': rule({ ownCount: (_, receivedUpTo) => receivedUpTo }),
  'does not write down what it learned': rule({ mustKeepLearned: () => false }),
  'believes a notice about any ballot': rule({ noticeProves: () => true }),
  'counts what is decided for a leader that it has left': rule({
    mayAcknowledge: ({ leader, counted }) => leader === counted,
  }),

  // Members.
  'proposes past a stop entry': rule({ isLast: () => false }),
  'counts a learner as a voter': rule({ voters: ({ members }) => members.map(({ memberSlot }) => memberSlot) }),
  'counts by the quorums of the configuration before': runtime({ countsByEarlierConfiguration: true }),

  // Disks.
  'forgets its promise at a crash': runtime({ recovered: (state) => ({ ...state, promised: 0 }) }),
  'forgets what it accepted at a crash': runtime({ recovered: (state) => ({ ...state, accepted: [] }) }),
  'does not write down promises': runtime({ persists: ({ kind }) => kind !== 'promised' }),
  'does not write down accepted values': runtime({ persists: ({ kind }) => kind !== 'accepted' }),
  'saves the decided slot apart from the log': runtime({ decidedApart: true }),
  'takes a damaged record for an empty slot': runtime({ recovered: (state) => ({ ...state, faulty: [] }) }),
  'counts a lost value as none': rule({ mayHide: () => false }),
  'takes a torn record for a whole one': runtime({ takesTornRecord: true }),
  'takes a misdirected record for good': runtime({ takesMisdirected: true }),
  'votes with an empty disk after a lost one': runtime({ amnesiacsVote: true }),
  'does not check digests': rule({ isIntact: () => true }),

  // Snapshots.
  'leaves the sessions out of a snapshot': machineSnapshot((machine) => ({ ...machine, applied: new Set() })),
  'takes a snapshot for one of the next slot': runtime({
    snapshot: ({ slot, machine, configuration }) => {
      const appliedUpTo = machine.appliedUpTo + 1;
      return { slot: slot + 1, machine: { ...machine, appliedUpTo }, configuration };
    },
  }),
  'leaves the configuration out of a snapshot': runtime({
    snapshot: (snapshot, configuration) => ({ ...snapshot, configuration }),
  }),
  'trims the log above the snapshot': runtime({ trimSlot: (_, appliedUpTo) => appliedUpTo }),
  'forgets its promise when the log is trimmed': runtime({
    recovered: (state, firstSlot) =>
      firstSlot === 1 ? state : { ...state, promised: Math.max(0, ...state.accepted.map(({ ballot }) => ballot)) },
  }),

  // Reads and leases.
  'reads before it has applied': runtime({ readsBeforeApplied: true }),
  'reads past what earlier leaders decided': rule({ readSlot: (decidedUpTo) => decidedUpTo }),
  'reads without a round': rule({ confirmingRound: () => 0 }),
  'reads on the strength of an earlier round': rule({ confirmingRound: (sequence) => sequence }),
  'vows and promises all the same': rule({ isVowInForce: () => false }),
  'ends a vow when anyone asks': rule({ releases: () => true }),
  'forgets its vow at a crash': rule({ vowEndAfterRestart: (nowMs) => nowMs }),
  'a lease that never ends': rule({ leaseEnd: (sentAtMs) => sentAtMs + 1e9 }),
  'keeps its lease when it hands over': rule({ isLeaseReleased: () => false }),

  // Requests.
  'takes in requests without bound': runtime({ isUnbounded: true }),

  // The machine.
  'applies a retried request twice': runtime({ retried: 'applied' }),
  // All nodes alike, and telling nobody: only what clients see is wrong.
  'writes again for a retried request': runtime({ retried: 'applied in silence' }),
} satisfies Record<string, Control>;

export type ControlName = keyof typeof CONTROLS;
