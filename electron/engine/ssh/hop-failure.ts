/** Failures on the way to a host. */
import { SshError } from './ssh-error.ts';
import { hostLabel, type SshTarget } from './target.ts';

/** What went wrong at a jump host, as a failure of the host behind it that says so; its key can be trusted all the same. */
export function atTheHop(target: SshTarget, error: SshError): SshError {
  const said = /^(?:the )?jump host /.test(error.problem) ? error.problem : `jump host ${error.host}: ${error.problem}`;
  return new SshError({
    kind: error.kind,
    host: hostLabel(target),
    problem: said,
    nextStep: error.nextStep,
    offeredKey: error.offeredKey ?? undefined,
    cause: error,
  });
}
