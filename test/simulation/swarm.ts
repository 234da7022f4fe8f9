/**
 * Swarm testing (Groce et al., 2012): each seed draws its own mix of faults, because a mix of everything hides what only shows
 * under a few of them. Here is what holds for the whole of a seed; single faults are drawn in fault-schedule.ts.
 */
import { DEFAULT_UNDECIDED_BYTES, type LeaseReads } from '../../cluster-node/paxos/interface.ts';
import type { Random } from './random.ts';

/** What operators may rely on of any two clocks; lease reads do. */
const MAX_DRIFT_RATIO = 0.02;

export interface Mix {
  readonly memberCount: number;
  readonly delayMsMean: number;
  readonly syncMsMean: number;
  /** Mean gap between proposals at one node. */
  readonly proposeGapMs: number;
  readonly readGapMs: number;
  readonly keys: number;
  readonly maxValueBytes: number;
  readonly maxBatchBytes: number;
  readonly maxUndecidedSlots: number;
  readonly maxUndecidedBytes: number;
  readonly memorySlots: number;
  /** Whether transports tell the cores of broken connections. */
  readonly hintsLinks: boolean;
  /** Each node's clock runs faster or slower by up to this share; 0: all alike. */
  readonly driftRatio: number;
  readonly leaseReads: LeaseReads | null;
  /** Learners come, vote, and go; members are removed; quorums get other sizes. */
  readonly changesMembers: boolean;
  /** Nodes have the product's log over bytes, not a list of records. */
  readonly hasRealLog: boolean;
  readonly safetyMs: number;
  /** A snapshot every so many slots; null: none, and logs are never trimmed. */
  readonly snapshotSlots: number | null;
  /** About how long one takes from a peer. */
  readonly fetchMsMean: number;
  /** Nodes tell their cores how slow they are, so that leaders hand over by themselves. */
  readonly tellsHealth: boolean;
}

export function drawMix(random: Random): Mix {
  return {
    memberCount: random.pick([1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 5, 7]),
    delayMsMean: random.pick([0.2, 1, 5, 30]),
    syncMsMean: random.pick([0.1, 1, 10, 60]),
    proposeGapMs: random.pick([5, 20, 100]),
    readGapMs: random.pick([5, 20, 100, 1000]),
    keys: random.pick([1, 3]),
    maxValueBytes: random.pick([0, 40, 300]),
    maxBatchBytes: random.pick([64, 1024, 65536]),
    maxUndecidedSlots: random.pick([4, 64, 4096]),
    memorySlots: random.pick([2, 20, 4096]),
    hintsLinks: random.chance(0.5),
    driftRatio: random.pick([0, 0, 0.005, MAX_DRIFT_RATIO]),
    leaseReads: random.chance(0.4)
      ? { durationMs: random.pick([200, 450, 1000]), driftRatio: MAX_DRIFT_RATIO * 1.01 }
      : null,
    changesMembers: random.chance(0.4),
    hasRealLog: random.chance(0.4),
    safetyMs: random.between(800, 5000),
    snapshotSlots: random.pick([null, null, 20, 60, 200]),
    fetchMsMean: random.pick([5, 50, 500]),
    tellsHealth: random.chance(0.5),
    maxUndecidedBytes: random.pick([200, 2000, DEFAULT_UNDECIDED_BYTES]),
  };
}
