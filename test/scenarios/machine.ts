/** The replicated machine of a scenario: the last value that a client wrote. A value that is chosen twice is applied once. */
import type { Slot } from '../../cluster-node/contract/ballot.ts';
import { isConfigurationValue } from '../../cluster-node/contract/configuration.ts';
import { textOf } from './narration.ts';

export interface Machine {
  readonly appliedUpTo: Slot;
  /** What a read sees; null: nothing was written. */
  readonly state: string | null;
  readonly applied: ReadonlySet<string>;
}

export const EMPTY_MACHINE: Machine = { appliedUpTo: 0, state: null, applied: new Set() };

export function executed({ state, applied }: Machine, slot: Slot, value: Uint8Array): Machine {
  const text = textOf(value);
  const isNews = value.length > 0 && !isConfigurationValue(value) && !applied.has(text);
  return isNews
    ? { appliedUpTo: slot, state: text, applied: new Set([...applied, text]) }
    : { appliedUpTo: slot, state, applied };
}
