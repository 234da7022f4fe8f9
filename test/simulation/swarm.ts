/**
 * Swarm testing (Groce et al., 2012): each seed draws its own mix of faults, because a mix of everything hides what only shows
 * under a few of them. Rates are means; 0 switches a fault off.
 */
import type { Random } from './random.ts';

export interface Mix {
  readonly memberCount: number;
  readonly lossRatio: number;
  readonly duplicateRatio: number;
  readonly reorders: boolean;
  readonly delayMsMean: number;
  readonly syncMsMean: number;
  /** Mean gap between proposals at one node. */
  readonly proposeGapMs: number;
  readonly readGapMs: number;
  readonly maxValueBytes: number;
  readonly maxBatchBytes: number;
  readonly maxUndecidedSlots: number;
  readonly memorySlots: number;
  readonly crashGapMs: number;
  readonly cutGapMs: number;
  readonly partitionGapMs: number;
  readonly healGapMs: number;
  readonly pauseGapMs: number;
  readonly transferGapMs: number;
  readonly hintsLinks: boolean;
  readonly safetyMs: number;
}

export function drawMix(random: Random): Mix {
  const sometimes = (from: number, end: number) => (random.chance(0.5) ? random.between(from, end) : 0);
  return {
    memberCount: random.pick([1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 7]),
    lossRatio: sometimes(0, 0.2),
    duplicateRatio: sometimes(0, 0.2),
    reorders: random.chance(0.5),
    delayMsMean: random.pick([0.2, 1, 5, 30]),
    syncMsMean: random.pick([0.1, 1, 10, 60]),
    proposeGapMs: random.pick([5, 20, 100]),
    readGapMs: random.pick([20, 100, 1000]),
    maxValueBytes: random.pick([16, 64, 400]),
    maxBatchBytes: random.pick([64, 1024, 65536]),
    maxUndecidedSlots: random.pick([4, 64, 4096]),
    memorySlots: random.pick([2, 20, 4096]),
    crashGapMs: sometimes(300, 2000),
    cutGapMs: sometimes(100, 1000),
    partitionGapMs: sometimes(500, 2000),
    healGapMs: random.between(500, 3000),
    pauseGapMs: sometimes(300, 2000),
    transferGapMs: sometimes(200, 2000),
    hintsLinks: random.chance(0.5),
    safetyMs: random.between(1000, 8000),
  };
}
