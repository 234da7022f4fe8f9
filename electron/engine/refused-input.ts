/** Input that breaks the contract's rules, as a failure that names the field and its rule. Values are not repeated: one may be a secret. */
import { type ORPCError, ValidationError } from '@orpc/server';
import { FailureError } from './operations/failure.ts';

const MAX_TOLD = 5;

/** null: the error is about something else. */
export function refusedInput(error: ORPCError<string, unknown>): FailureError | null {
  const { cause } = error;
  if (error.code !== 'BAD_REQUEST' || !(cause instanceof ValidationError)) return null;
  const told = cause.issues.slice(0, MAX_TOLD).map(({ path, message }) => {
    const field = (path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
    return field === '' ? message : `${field}: ${message}`;
  });
  const more = cause.issues.length - told.length;
  return new FailureError(
    {
      kind: 'badInput',
      message: `This cannot be used. ${told.join('; ')}${more > 0 ? `; and ${more} more` : ''}.`,
      nextStep: 'Nothing was changed. Put right what is named, then try again.',
    },
    { cause },
  );
}
