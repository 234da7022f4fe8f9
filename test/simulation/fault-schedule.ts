/**
 * The faults of a seed, drawn before anything runs: a list of events, each of which ends by itself and owes nothing to another
 * one. So a failing history can be run again with only some of them (minimise.ts).
 */
import type { MemberSlot } from '../../cluster-node/contract/ballot.ts';
import type { Random } from './random.ts';
import type { Mix } from './swarm.ts';

export interface FaultEvent {
  readonly atMs: number;
  readonly kind: FaultKind;
  /** Whom it strikes; `other` is the far end where it strikes a link. */
  readonly member: MemberSlot;
  readonly other: MemberSlot;
  readonly forMs: number;
  /** Share, factor or count, by kind. */
  readonly amount: number;
  /** Seeds whatever else the kind must draw. */
  readonly draw: number;
}

interface Kind {
  /** How likely a seed has any of it. */
  readonly share: number;
  /** Range of the mean gap between two of them; null: once, for the whole safety phase. */
  readonly gapMs: readonly [from: number, end: number] | null;
  readonly forMs: readonly [from: number, end: number];
  readonly amount: readonly [from: number, end: number];
  readonly inWords: (fault: FaultEvent) => string;
}

const percent = (ratio: number) => `${(ratio * 100).toFixed(1)} %`;
const ms = (duration: number) => `${duration.toFixed(0)} ms`;
const NEVER = [0, 0] as const;
/** Of the members that may join later, so many are struck like the first ones; nothing happens to one that is not there. */
const JOINERS = 2;

const KINDS = {
  loss: {
    share: 0.5,
    gapMs: null,
    forMs: NEVER,
    amount: [0, 0.2],
    inWords: ({ amount }) => `${percent(amount)} of all messages are lost`,
  },
  duplication: {
    share: 0.5,
    gapMs: null,
    forMs: NEVER,
    amount: [0, 0.2],
    inWords: ({ amount }) => `${percent(amount)} of all messages come twice`,
  },
  reordering: {
    share: 0.5,
    gapMs: null,
    forMs: NEVER,
    amount: [0.1, 1],
    inWords: ({ amount }) => `${percent(amount)} of all messages may overtake others`,
  },
  delay: {
    share: 0.3,
    gapMs: null,
    forMs: NEVER,
    amount: [0, 0.05],
    inWords: ({ amount }) => `${percent(amount)} of all messages are late`,
  },
  crash: {
    share: 0.5,
    gapMs: [300, 2000],
    forMs: [20, 1500],
    amount: [0, 6],
    inWords: ({ member, amount, forMs }) =>
      `node ${member} crashes after ${Math.floor(amount)} more effects, for ${ms(forMs)}`,
  },
  cut: {
    share: 0.5,
    gapMs: [100, 1000],
    forMs: [50, 3000],
    amount: NEVER,
    inWords: ({ member, other, forMs }) => `the link ${member} → ${other} is cut for ${ms(forMs)}`,
  },
  disconnect: {
    share: 0.3,
    gapMs: [200, 1000],
    forMs: [50, 3000],
    amount: NEVER,
    inWords: ({ member, other, forMs }) => `nodes ${member} and ${other} are cut off from each other for ${ms(forMs)}`,
  },
  partition: {
    share: 0.4,
    gapMs: [500, 2000],
    forMs: [100, 3000],
    amount: NEVER,
    inWords: ({ draw, forMs }) => `the members fall into two parts (draw ${draw}) for ${ms(forMs)}`,
  },
  oneWayPartition: {
    share: 0.2,
    gapMs: [500, 2000],
    forMs: [100, 3000],
    amount: NEVER,
    inWords: ({ draw, forMs }) => `one part of the members (draw ${draw}) does not reach the other for ${ms(forMs)}`,
  },
  hub: {
    share: 0.2,
    gapMs: [500, 2000],
    forMs: [500, 3000],
    amount: NEVER,
    inWords: ({ member, forMs }) => `every member reaches only node ${member} for ${ms(forMs)}`,
  },
  leaderCutOff: {
    share: 0.3,
    gapMs: [300, 1500],
    forMs: [100, 2000],
    amount: NEVER,
    inWords: ({ forMs }) => `the leader is cut off from all others for ${ms(forMs)}`,
  },
  leaderAlone: {
    share: 0.15,
    gapMs: [500, 2500],
    forMs: [500, 2000],
    amount: [1, 100],
    inWords: ({ forMs, amount }) => `the leader is cut off for ${ms(forMs)}, and all others crash, for ${ms(amount)}`,
  },
  pause: {
    share: 0.5,
    gapMs: [300, 2000],
    forMs: [20, 1500],
    amount: NEVER,
    inWords: ({ member, forMs }) => `node ${member} stands still for ${ms(forMs)}`,
  },
  slowDisk: {
    share: 0.2,
    gapMs: [300, 2000],
    forMs: [100, 2000],
    amount: [5, 50],
    inWords: ({ member, amount, forMs }) =>
      `the disk of node ${member} is ${amount.toFixed(0)} times slower for ${ms(forMs)}`,
  },
  diskFull: {
    share: 0.2,
    gapMs: [500, 3000],
    forMs: [100, 2000],
    amount: NEVER,
    inWords: ({ member, forMs }) => `the disk of node ${member} is full for ${ms(forMs)}`,
  },
  syncError: {
    share: 0.2,
    gapMs: [500, 3000],
    forMs: [50, 1000],
    amount: NEVER,
    inWords: ({ member, forMs }) => `the next fsync of node ${member} fails: it dies, and is back after ${ms(forMs)}`,
  },
  bitRot: {
    share: 0.3,
    gapMs: [200, 1500],
    forMs: NEVER,
    amount: [1, 6],
    inWords: ({ member, amount, draw }) =>
      `up to ${Math.floor(amount)} records of node ${member} rot on its disk (draw ${draw})`,
  },
  lostDisk: {
    share: 0.15,
    gapMs: [500, 4000],
    forMs: NEVER,
    amount: NEVER,
    inWords: ({ member }) => `node ${member} loses its disk for good`,
  },
  corruption: {
    share: 0.2,
    gapMs: null,
    forMs: NEVER,
    amount: [0, 0.02],
    inWords: ({ amount }) => `${percent(amount)} of all messages with values have one bit wrong`,
  },
  transfer: {
    share: 0.5,
    gapMs: [200, 2000],
    forMs: NEVER,
    amount: NEVER,
    inWords: ({ member }) => `leadership is to go to node ${member}`,
  },
  addLearner: {
    share: 0.8,
    gapMs: [200, 1500],
    forMs: NEVER,
    amount: NEVER,
    inWords: () => 'a learner is to be added',
  },
  promote: {
    share: 0.8,
    gapMs: [50, 400],
    forMs: NEVER,
    amount: NEVER,
    inWords: () => 'a learner is to vote',
  },
  remove: {
    share: 0.6,
    gapMs: [300, 2000],
    forMs: NEVER,
    amount: NEVER,
    inWords: ({ draw }) => `a member is to be removed (draw ${draw})`,
  },
  setQuorums: {
    share: 0.4,
    gapMs: [300, 2000],
    forMs: NEVER,
    amount: NEVER,
    inWords: ({ draw }) => `quorums are to have other sizes (draw ${draw})`,
  },
  deafTransfer: {
    share: 0.15,
    gapMs: [300, 1500],
    forMs: [100, 1000],
    amount: [0, 20],
    inWords: ({ member, amount, forMs }) =>
      `leadership is to go to node ${member}, and ${ms(amount)} later nothing reaches the old leader, for ${ms(forMs)}`,
  },
  slowLoop: {
    share: 0.2,
    gapMs: [500, 3000],
    forMs: [500, 3000],
    amount: [100, 1000],
    inWords: ({ member, amount, forMs }) =>
      `the event loop of node ${member} is late by ${ms(amount)} for ${ms(forMs)}, as it tells`,
  },
  snapshotDamage: {
    share: 0.3,
    gapMs: [200, 2000],
    forMs: NEVER,
    amount: [1, 3],
    inWords: ({ member, amount }) =>
      `${amount < 2 ? 'the newest snapshot' : 'all snapshots'} of node ${member} can be read no more`,
  },
  rivalChanges: {
    share: 0.3,
    gapMs: [300, 2500],
    forMs: [600, 2000],
    amount: [50, 450],
    inWords: ({ draw, amount, forMs }) =>
      `the leader is not heard for at most ${ms(forMs)}, and asked for a change after ${ms(amount)}, as is its successor (draw ${draw})`,
  },
  stall: {
    share: 0.3,
    gapMs: [100, 1000],
    forMs: [50, 2500],
    amount: NEVER,
    inWords: ({ member, other, forMs }) => `the link ${member} → ${other} holds back what is sent for ${ms(forMs)}`,
  },
  leaderForgets: {
    share: 0.2,
    gapMs: [300, 2000],
    forMs: [100, 600],
    amount: [20, 120],
    inWords: ({ member, amount, forMs }) =>
      `the leader reaches only node ${member} and crashes after ${ms(amount)} with nothing written; ${member} answers ${ms(forMs)} later`,
  },
} satisfies Record<string, Kind>;

export type FaultKind = keyof typeof KINDS;

export const FAULT_KINDS = Object.keys(KINDS) as FaultKind[];

/** Ascending in time. */
export function drawSchedule(random: Random, mix: Mix): FaultEvent[] {
  const faults: FaultEvent[] = [];
  for (const kind of FAULT_KINDS) {
    const { share, gapMs } = KINDS[kind];
    // Drawn whether it is needed or not: a new kind must not change the others.
    const own = random.fork();
    if (!own.chance(share)) continue;
    const meanGapMs = gapMs === null ? Number.POSITIVE_INFINITY : own.between(gapMs[0], gapMs[1]);
    for (let atMs = gapMs === null ? 0 : own.gap(meanGapMs); atMs < mix.safetyMs; atMs += own.gap(meanGapMs))
      faults.push(drawOne(own, kind, { atMs, mix }));
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
}

function drawOne(random: Random, kind: FaultKind, { atMs, mix }: { atMs: number; mix: Mix }): FaultEvent {
  const { forMs, amount } = KINDS[kind];
  const members = mix.memberCount + (mix.changesMembers ? JOINERS : 0);
  return {
    atMs,
    kind,
    member: random.integer(1, members),
    other: random.integer(1, members),
    forMs: random.between(forMs[0], forMs[1]),
    amount: random.between(amount[0], amount[1]),
    draw: random.integer(0, 0x7fffffff),
  };
}

export function inWords(fault: FaultEvent): string {
  return `${fault.atMs.toFixed(1)} ms: ${KINDS[fault.kind].inWords(fault)}`;
}
