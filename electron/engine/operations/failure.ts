/**
 * Failures as an operator can act on them. Inside the engine they travel as a thrown `FailureError`; at the contract's edge
 * they become the `Failure` that it carries.
 */
import type { Failure } from '../../contract/model.ts';

const MAX_STDERR_BYTES = 4096;

/** What is known of a failure where it is thrown; what is left out is filled in further up. */
export type FailureFacts = Pick<Failure, 'kind' | 'message' | 'nextStep'> & Partial<Failure>;

/** A failure with its next step. `message` is one sentence; secrets never stand in it. */
export class FailureError extends Error {
  readonly failure: Failure;

  constructor(facts: FailureFacts, options?: ErrorOptions) {
    super(facts.message, options);
    this.name = 'FailureError';
    this.failure = completed(facts);
  }
}

function completed(facts: FailureFacts): Failure {
  const stderr = facts.stderr ?? null;
  return {
    kind: facts.kind,
    message: facts.message,
    host: facts.host ?? null,
    step: facts.step ?? null,
    command: facts.command ?? null,
    exitCode: facts.exitCode ?? null,
    stderr: stderr === null || stderr === '' ? null : bounded(stderr),
    nextStep: facts.nextStep,
  };
}

/** Keeps the end: that is where a command says why it gave up. */
function bounded(text: string): string {
  const bytes = Buffer.from(text, 'utf8');
  return bytes.length <= MAX_STDERR_BYTES
    ? text
    : `…${bytes.subarray(bytes.length - MAX_STDERR_BYTES + 3).toString('utf8')}`;
}

/** Where a failure happened, for whatever the error itself does not say. */
export interface FailurePlace {
  readonly host?: string | null;
  readonly step?: string | null;
}

/**
 * Any thrown thing as a Failure. Typed errors of other folders (SSH, lab, etcd) are recognised by their fields, so that
 * this file need not import them.
 */
export function failureOf(error: unknown, place: FailurePlace = {}): Failure {
  if (error instanceof FailureError)
    return {
      ...error.failure,
      host: error.failure.host ?? place.host ?? null,
      step: error.failure.step ?? place.step ?? null,
    };
  const fields = fieldsOf(error);
  return completed({
    kind: fields.text('kind') ?? (isAbort(error) ? 'aborted' : 'internal'),
    // `problem`, where there is one, leaves out what stands in the other fields already.
    message: fields.text('problem') ?? (error instanceof Error ? error.message : String(error)),
    host: fields.text('host') ?? place.host ?? null,
    step: place.step ?? null,
    command: fields.text('command'),
    exitCode: fields.integer('exitCode'),
    stderr: fields.text('stderr'),
    nextStep:
      fields.text('nextStep') ??
      (isAbort(error)
        ? 'Run it again: what is done already is left as it is.'
        : 'Look into the engine log, then run it again.'),
  });
}

export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || ('kind' in error && error.kind === 'aborted'));
}

function fieldsOf(error: unknown) {
  const record: Record<string, unknown> = typeof error === 'object' && error !== null ? { ...error } : {};
  return {
    text(name: string): string | null {
      const value = record[name];
      return typeof value === 'string' && value !== '' ? value : null;
    },
    integer(name: string): number | null {
      const value = record[name];
      return typeof value === 'number' && Number.isInteger(value) ? value : null;
    },
  };
}
