/** Where a log goes on: what its planner has to know of what is on disk. */
import type { Ballot, Slot } from '../../contract/ballot.ts';
import { SEGMENT_START } from './batch.ts';
import type { Vow } from './head.ts';
import type { Mark } from './mark.ts';

export interface LogSizes {
  readonly segmentBytes: number;
  /** Bound of one write, except for a single record that is longer; at most a quarter of a segment. */
  readonly batchBytes: number;
}

export interface LogSegment {
  readonly segment: number;
  /** Highest slot of an accepted record in it; 0 when it has none. */
  acceptedUpTo: Slot;
}

export interface LogPosition {
  readonly salt: number;
  /** Counts the starts of this node, from 1. */
  readonly life: number;
  readonly mark: Mark;
  /** Where and with which number the next batch begins. */
  readonly segment: number;
  readonly offset: number;
  readonly nextNumber: number;
  /** Highest segment whose file is there, zeros after `offset`. */
  readonly readySegment: number;
  readonly segments: readonly LogSegment[];
  readonly promised: Ballot;
  readonly decidedUpTo: Slot;
  readonly acceptedUpTo: Slot;
  readonly baseSlot: Slot;
  readonly keptFrom: Slot;
  readonly firstSegment: number;
  /** Vows since the last head, and that head's number. */
  readonly vows: readonly Vow[];
  readonly headNumber: number;
}

/** Of a log whose first segment has just been created. */
export function emptyPosition(salt: number): LogPosition {
  return {
    salt,
    life: 1,
    mark: { upTo: 0, slot: 0 },
    segment: 1,
    offset: SEGMENT_START,
    nextNumber: 1,
    readySegment: 1,
    segments: [{ segment: 1, acceptedUpTo: 0 }],
    promised: 0,
    decidedUpTo: 0,
    acceptedUpTo: 0,
    baseSlot: 0,
    keptFrom: 1,
    firstSegment: 1,
    vows: [],
    headNumber: 1,
  };
}
