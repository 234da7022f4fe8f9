/** The simplest model: one register that is written and read. Writes may write the same value more than once. */
import type { Model } from './history.ts';

export type RegisterInput = { readonly kind: 'write'; readonly value: string } | { readonly kind: 'read' };
/** What a read returned, null for nothing yet; a write returns null. */
export type RegisterOutput = string | null;

export const registerModel: Model<{ readonly value: RegisterOutput }, RegisterInput, RegisterOutput> = {
  initial: { value: null },
  step(state, input, output) {
    if (input.kind === 'write') return { value: input.value };
    return output === undefined || output === state.value ? state : null;
  },
  onlyReads: (input) => input.kind === 'read',
  overwrites: (input) => input.kind === 'write',
  labelOf: ({ value }) => labelOf(value),
  needs: (input, output) => (input.kind === 'read' && output !== undefined ? labelOf(output) : null),
  keyOf: ({ value }) => labelOf(value),
  describe: (input, output) =>
    input.kind === 'write' ? `write ${input.value}` : `read → ${output === undefined ? '?' : (output ?? 'nothing')}`,
};

function labelOf(value: RegisterOutput): string {
  return value === null ? 'nothing' : `value ${value}`;
}
