/**
 * Makes a violation small enough to read. Taking the outcome of an operation as unknown only allows more orders; so what is
 * still a violation with all other outcomes unknown is a violation of those few operations alone.
 */
import type { Model, Operation } from './history.ts';
import { Search } from './search.ts';

/**
 * Lines in words, by call, of the operations of a history that no order explains. `maxSteps`: of one attempt to leave
 * something out, and a tenth of all; what would take longer is left in.
 */
export function unexplainable<State extends object, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
  maxSteps: number,
): string[] {
  type Op = Operation<Input, Output>;
  let left = 10 * maxSteps;
  const isViolation = (operations: readonly Op[]) => {
    const { verdict, steps } = new Search(model, operations, Math.min(maxSteps, left)).run();
    left = Math.max(0, left - steps);
    return verdict === 'violation';
  };
  const byReturn = history.filter(({ returned }) => returned !== null).toSorted((a, b) => returnOf(a) - returnOf(b));
  const upTo = (count: number) => withOnly(history, byReturn.slice(0, count));
  // The first answer that is wrong: all before it can be explained.
  const count = firstThat(byReturn.length, (tried) => isViolation(upTo(tried)));
  const answered = byReturn.slice(0, count);
  const kept = fewest(answered, (fewer) => isViolation(withOnly(history, fewer)));
  return kept.toSorted((a, b) => a.calledAt - b.calledAt).map((op) => lineOf(model, op));
}

/** The history with the outcome of all other operations unknown. */
function withOnly<Input, Output>(
  history: readonly Operation<Input, Output>[],
  kept: readonly Operation<Input, Output>[],
): Operation<Input, Output>[] {
  const known = new Set(kept);
  return history.map((op) => (known.has(op) ? op : { ...op, returned: null }));
}

/** The least number in [1, last] that `holds`, where that does for all above it and for `last`. */
function firstThat(last: number, holds: (tried: number) => boolean): number {
  let from = 1;
  let to = last;
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    if (holds(middle)) to = middle;
    else from = middle + 1;
  }
  return to;
}

/** Leaves out ever smaller stretches of `items` as long as the rest `holds`. */
function fewest<T>(items: readonly T[], holds: (rest: readonly T[]) => boolean): readonly T[] {
  let rest = items;
  for (let size = Math.ceil(rest.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
    for (let at = 0; at < rest.length; ) {
      const fewer = [...rest.slice(0, at), ...rest.slice(at + size)];
      if (holds(fewer)) rest = fewer;
      else at += size;
    }
  return rest;
}

function lineOf<State extends object, Input, Output>(
  model: Model<State, Input, Output>,
  { client, calledAt, returned, input }: Operation<Input, Output>,
): string {
  return `client ${client}, ${calledAt} to ${returned?.at ?? 'the end'}: ${model.describe(input, returned?.output)}`;
}

function returnOf<Input, Output>({ returned }: Operation<Input, Output>): number {
  return returned?.at ?? Number.POSITIVE_INFINITY;
}
