/**
 * Puts right what a preflight found on one host, as the operator saw it: the check is made again first, and only the very lines
 * that were shown are run. Done is what a third check sees done.
 */
import type { CheckFix, CheckItem, Operation } from '../../contract/model.ts';
import { FailureError } from '../operations/failure.ts';
import type { OperationRun, Operations } from '../operations/operations.ts';
import { sh } from '../ssh/shell-command.ts';
import { oneHost, preflight, type PreflightParts } from './preflight.ts';

export interface FixRequest {
  readonly hostId: string;
  readonly check: string;
  readonly fixId: string;
  readonly commands: readonly string[];
}

export function beginFix(parts: PreflightParts & { operations: Operations }, request: FixRequest): Operation {
  const host = parts.hosts.get(request.hostId);
  const title = `Put right on ${host.name}: ${request.check}`;
  return parts.operations.begin({ kind: 'hostFix', title }, (run) => runFix(parts, request, run));
}

async function runFix(parts: PreflightParts, request: FixRequest, run: OperationRun): Promise<string> {
  const { hostId, name: host } = parts.hosts.get(request.hostId);
  const step = (name: string) => ({ hostId, host, step: name });
  run.announce(['Check', 'Run', 'Check again'].map(step));
  const lookAgain = async (): Promise<CheckItem | undefined> => {
    const { hosts } = await preflight(parts, oneHost(hostId), run.signal);
    return hosts[0]?.items.find((item) => item.check === request.check);
  };
  await run.step(step('Check'), async () => {
    const found = await lookAgain();
    refuseOther(found?.fix ?? null, request, host);
    return { state: 'succeeded', detail: found?.found ?? null };
  });
  await run.step(step('Run'), async () => {
    const connection = await parts.hosts.connection(hostId, run.signal);
    const script = `set -e\n${request.commands.join('\n')}\n`;
    const command = parts.hosts.gathered(hostId)?.facts.privilege === 'root' ? sh`/bin/sh -s` : sh`sudo -n /bin/sh -s`;
    await connection.exec(command, { stdin: script, timeoutMs: 60_000, signal: run.signal });
    return { state: 'succeeded', detail: request.commands.join('; ') };
  });
  let outcome = '';
  await run.step(step('Check again'), async () => {
    const found = await lookAgain();
    if (found?.verdict !== 'pass')
      throw new FailureError({
        kind: 'notAsWanted',
        host,
        message: `The commands ran, and ${request.check} is still ${found?.verdict ?? 'unknown'}: ${found?.found ?? 'not told'}.`,
        nextStep: found?.nextStep ?? 'Look at the host.',
      });
    outcome = `${request.check} on ${host}: ${found.found}.`;
    return { state: 'succeeded', detail: found.found };
  });
  return outcome;
}

function refuseOther(offered: CheckFix | null, request: FixRequest, host: string): void {
  const isSame = offered?.fixId === request.fixId && offered.commands.join('\n') === request.commands.join('\n');
  if (isSame) return;
  throw new FailureError({
    kind: 'stale',
    host,
    message: offered
      ? `What would be run for ${request.check} is not what was shown any more; nothing was run.`
      : `There is nothing to put right for ${request.check}; nothing was run.`,
    nextStep: 'Check the host again and look at what is offered now.',
  });
}
