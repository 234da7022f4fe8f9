/** A call to an agent that did not answer with its result. */
import type { CallError } from '../../../cluster-node/contract/admin.ts';

/** `silent`: the channel stands, but nothing comes: a frozen host looks like this, and so does a cut network. */
export type AgentErrorKind =
  | CallError['kind']
  | 'notConnected'
  | 'connectionLost'
  | 'silent'
  | 'badAnswer'
  | 'wrongVersion';

export interface AgentErrorFacts {
  readonly kind: AgentErrorKind;
  readonly host: string;
  /** "synod-node agent: stop n-ab12cd34". */
  readonly command: string;
  readonly message: string;
  readonly nextStep: string;
  /** True: whether the call took effect is not known; it must be read back. */
  readonly outcomeUnknown: boolean;
}

/** Carries the fields of a Failure, so that `failureOf` takes them over. */
export class AgentError extends Error {
  readonly kind: AgentErrorKind;
  readonly host: string;
  readonly command: string;
  readonly nextStep: string;
  readonly outcomeUnknown: boolean;

  constructor(facts: AgentErrorFacts, options?: ErrorOptions) {
    super(facts.message, options);
    this.name = 'AgentError';
    this.kind = facts.kind;
    this.host = facts.host;
    this.command = facts.command;
    this.nextStep = facts.nextStep;
    this.outcomeUnknown = facts.outcomeUnknown;
  }
}

/** Whether it is unknown if the failed call took effect. */
export function isOutcomeUnknown(error: unknown): boolean {
  return error instanceof AgentError && error.outcomeUnknown;
}
