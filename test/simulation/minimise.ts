/**
 * Finds few faults with which a seed still breaks the same invariant: delta debugging (Zeller & Hildebrandt, "Simplifying and
 * isolating failure-inducing input", 2002) over the seed's list of faults.
 */
import type { Control } from './controls.ts';
import { faultsOf, type Outcome, simulate } from './simulation.ts';

/** Runs of the seed at most; what is found by then is given. */
const MAX_RUNS = 400;

export interface Minimised {
  /** Indexes into the faults that the seed draws. */
  readonly only: readonly number[];
  readonly outcome: Outcome;
}

/** `failed` is the outcome of the whole seed. The result breaks the same invariant, perhaps at another moment. */
export function minimise(failed: Outcome, control: Control): Minimised {
  const { seed, violation } = failed;
  let best: Minimised = {
    only: faultsOf(seed).flatMap(({ atMs }, at) => (atMs <= (violation?.atMs ?? 0) ? [at] : [])),
    outcome: failed,
  };
  const runs = { left: MAX_RUNS };
  const stillFails = (only: readonly number[]): boolean => {
    if (runs.left === 0) return false;
    runs.left -= 1;
    const outcome = simulate(seed, { control, only });
    if (outcome.violation?.invariant !== violation?.invariant) return false;
    best = { only, outcome };
    return true;
  };
  if (!stillFails(best.only)) best = { only: faultsOf(seed).map((_, at) => at), outcome: failed };
  for (let parts = 2; best.only.length > 0 && runs.left > 0; ) {
    const size = Math.ceil(best.only.length / parts);
    const { only } = best;
    const starts = Array.from({ length: Math.ceil(only.length / size) }, (_, part) => part * size);
    const isSmaller = starts.some((start) => stillFails([...only.slice(0, start), ...only.slice(start + size)]));
    if (isSmaller) parts = Math.max(2, parts - 1);
    else if (size === 1) break;
    else parts = Math.min(only.length, parts * 2);
  }
  return best;
}
