/**
 * One key of an etcd-like store, with its revisions: what a put, a get, a delete and a compare-and-swap may answer. Revisions
 * are the store's, so that they rise on each write of the key but not by one.
 */
import type { Model } from './history.ts';

/** A key's value and the revision of its last write; null when there is none. */
export interface KeyState {
  readonly value: string;
  readonly modRevision: number;
}

export type KeyValueInput =
  | { readonly kind: 'put'; readonly key: string; readonly value: string }
  | { readonly kind: 'get'; readonly key: string }
  | { readonly kind: 'delete'; readonly key: string }
  /** Puts `value` if the key still is as it was found: at that revision. */
  | { readonly kind: 'cas'; readonly key: string; readonly expected: KeyState | null; readonly value: string };

export type KeyValueOutput =
  | { readonly kind: 'put'; readonly revision: number }
  | { readonly kind: 'get'; readonly found: KeyState | null }
  | { readonly kind: 'delete'; readonly deleted: boolean; readonly revision: number }
  | { readonly kind: 'swapped'; readonly revision: number }
  | { readonly kind: 'notSwapped'; readonly found: KeyState | null };

/** The value (null: no such key) and the revision of the last write or deletion; not `exact`: it is some higher one. */
interface Cell {
  readonly value: string | null;
  readonly revision: number;
  readonly exact: boolean;
}

export const keyValueModel: Model<Cell, KeyValueInput, KeyValueOutput> = {
  initial: { value: null, revision: 0, exact: true },
  step: (cell, input, output) => (output === undefined ? takeEffect(cell, input) : answer(cell, input, output)),
  onlyReads: (input, output) => input.kind === 'get' || output?.kind === 'notSwapped',
  overwrites: (input) => input.kind === 'put',
  labelOf: ({ value }) => labelOf(value),
  needs,
  keyOf: ({ value, revision, exact }) => `${revision}${exact ? '=' : '<'}${value === null ? '' : `"${value}`}`,
  describe: (input, output) => `${describeInput(input)} → ${output === undefined ? '?' : describeOutput(output)}`,
};

function takeEffect(cell: Cell, input: KeyValueInput): Cell | null {
  if (input.kind === 'get') return null;
  if (input.kind === 'delete')
    return cell.value === null ? null : { value: null, revision: cell.revision, exact: false };
  if (input.kind === 'cas' && !mayMatch(cell, input.expected)) return null;
  return { value: input.value, revision: cell.revision, exact: false };
}

function answer(cell: Cell, input: KeyValueInput, output: KeyValueOutput): Cell | null {
  if (output.kind === 'get') return see(cell, output.found);
  if (output.kind === 'notSwapped') {
    if (input.kind !== 'cas') return null;
    const seen = see(cell, output.found);
    return seen !== null && !mayMatch(seen, input.expected) ? seen : null;
  }
  if (output.kind === 'delete' && !output.deleted) return cell.value === null ? cell : null;
  if (output.kind === 'delete' && cell.value === null) return null;
  if (output.kind === 'swapped' && !(input.kind === 'cas' && mayMatch(cell, input.expected))) return null;
  // What the comparison matched was written before, too.
  const matched = (input.kind === 'cas' && input.expected?.modRevision) || 0;
  if (output.revision <= Math.max(cell.revision, matched)) return null;
  const value = input.kind === 'put' || input.kind === 'cas' ? input.value : null;
  return { value, revision: output.revision, exact: true };
}

/** The cell, its revision known from now on, when it can be what was found. */
function see(cell: Cell, found: KeyState | null): Cell | null {
  if (found === null) return cell.value === null ? cell : null;
  if (found.value !== cell.value || !mayHaveRevision(cell, found.modRevision)) return null;
  return cell.exact ? cell : { value: cell.value, revision: found.modRevision, exact: true };
}

function mayMatch(cell: Cell, expected: KeyState | null): boolean {
  return see(cell, expected) !== null;
}

function needs(input: KeyValueInput, output: KeyValueOutput | undefined): string | null {
  if (input.kind === 'cas' && (output === undefined || output.kind === 'swapped'))
    return labelOf(input.expected?.value);
  return output?.kind === 'get' || output?.kind === 'notSwapped' ? labelOf(output.found?.value) : null;
}

function labelOf(value: string | null | undefined): string {
  return value === null || value === undefined ? 'nothing' : `value ${value}`;
}

function mayHaveRevision({ revision, exact }: Cell, asked: number): boolean {
  return exact ? asked === revision : asked > revision;
}

function describeInput(input: KeyValueInput): string {
  if (input.kind === 'put') return `put ${input.key} = ${input.value}`;
  if (input.kind !== 'cas') return `${input.kind} ${input.key}`;
  return `if ${input.key} is ${describeState(input.expected)}, put ${input.value}`;
}

function describeState(state: KeyState | null): string {
  return state === null ? 'nothing' : `${state.value} at revision ${state.modRevision}`;
}

function describeOutput(output: KeyValueOutput): string {
  if (output.kind === 'get' || output.kind === 'notSwapped') {
    const text = describeState(output.found);
    return output.kind === 'get' ? text : `not so: ${text}`;
  }
  if (output.kind === 'delete' && !output.deleted) return 'nothing to delete';
  return `${output.kind === 'swapped' ? 'done' : 'ok'} at revision ${output.revision}`;
}
