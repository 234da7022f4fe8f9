/**
 * Is there one order of these operations, each at some moment between its call and its return, in which a single copy of the
 * data would have answered the same? Wing & Gong's search ("Testing and verifying concurrent objects", 1993) with Lowe's
 * memory of configurations already seen ("Testing for linearizability", 2017), over one partition (one key) at a time.
 *
 * The search (search.ts) grows an order from the front. Three things keep it small, and none can change the verdict:
 * - a read that fits now and leaves the state as it is goes next at once, since it would fit nowhere better;
 * - an operation whose outcome nobody knows is tried only after all others, and only where the operation right after it
 *   would come out differently without it;
 * - a configuration (which operations are placed, and the state) that led nowhere is not entered again.
 *
 * Pure and synchronous, with no clock: the same history gives the same verdict after the same number of steps.
 */
import type { Model, Operation } from './history.ts';
import { Search } from './search.ts';
import { unexplainable } from './unexplainable.ts';

export type Verdict =
  | { readonly kind: 'ok'; readonly steps: number }
  | {
      readonly kind: 'violation';
      /** Few operations that no order explains, even with the outcome of all others taken as unknown; by call. */
      readonly window: readonly string[];
      readonly steps: number;
    }
  /** Given up: neither proved nor refuted. */
  | { readonly kind: 'unknown'; readonly why: string; readonly steps: number };

/** Some seconds of one core. */
const DEFAULT_MAX_STEPS = 50_000_000;

/** Judges the operations of one partition. `maxSteps`: the effort at most, about how often the model may be asked. */
export function checkLinearizable<State extends object, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
  maxSteps = DEFAULT_MAX_STEPS,
): Verdict {
  const { verdict, steps } = new Search(model, history, maxSteps).run();
  if (verdict === 'ok') return { kind: 'ok', steps };
  if (verdict === 'unknown') return { kind: 'unknown', why: `no answer within ${maxSteps} steps`, steps };
  return { kind: 'violation', window: unexplainable(model, history, 2 * steps + 1_000_000), steps };
}

/** Judges each partition by itself, since operations on different ones are independent. The worst verdict, with its partition. */
export function checkPartitions<State extends object, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
  { partitionOf, maxSteps }: { readonly partitionOf: (input: Input) => string; readonly maxSteps?: number },
): Verdict {
  let steps = 0;
  let unknown: Verdict | null = null;
  for (const [partition, operations] of Map.groupBy(history, ({ input }) => partitionOf(input))) {
    const verdict = checkLinearizable(model, operations, maxSteps);
    steps += verdict.steps;
    if (verdict.kind === 'violation') return { ...verdict, window: [`${partition}:`, ...verdict.window], steps };
    if (verdict.kind === 'unknown') unknown = { ...verdict, why: `${partition}: ${verdict.why}` };
  }
  return unknown === null ? { kind: 'ok', steps } : { ...unknown, steps };
}
