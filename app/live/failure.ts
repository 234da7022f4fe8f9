/** Whatever a call was refused or broken with, as a failure that can be shown. */
import { type Failure, failureSchema } from '../../electron/contract/model.ts';

export function failureOf(error: unknown): Failure {
  const carried = failureSchema.safeParse((error as { data?: unknown } | null)?.data);
  if (carried.success) return carried.data;
  const message = error instanceof Error ? error.message : String(error);
  return {
    kind: 'engine',
    message: message === '' ? 'The engine did not answer.' : message,
    host: null,
    step: null,
    command: null,
    exitCode: null,
    stderr: null,
    nextStep: 'Look at the state that is shown: if the change did not happen, try again.',
  };
}
