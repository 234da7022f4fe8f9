import type { Consequence } from '../../../contract/model.ts';
import type { Course } from './outlook.ts';

/** What one kind of action says; the rest is the same for all. */
export interface Draft {
  readonly refusals: readonly string[];
  readonly warnings: readonly string[];
  readonly runs: Consequence['runs'];
  readonly after: Course;
  /** How long writes stop though a quorum remains, milliseconds. */
  readonly interruptionMs: number;
  /** How long until a lost quorum is back by itself, milliseconds; null: not by itself. */
  readonly quorumBackMs: number | null;
  readonly undo: string | null;
  readonly cutLinks?: Consequence['cutLinks'];
}
