import type { Operation, OperationStep } from '../contract/model.ts';
import type { EngineClient } from '../serve/engine-socket.ts';
import { CommandFailure, note } from './context.ts';

/**
 * Follows an operation to its end, each step's change as a line on stderr. Throws CommandFailure unless it succeeded; an
 * outcome that is unknown is a failure too.
 */
export async function follow(client: EngineClient, operationId: string): Promise<Operation> {
  const said = new Map<string, string>();
  let last: Operation | null = null;
  for await (const operation of await client.operations.watch({ operationId })) {
    last = operation;
    for (const step of operation.steps) sayChange(said, step);
  }
  const ended = last ?? (await client.operations.get({ operationId }));
  if (ended.state === 'succeeded') return ended;
  throw new CommandFailure(
    ended.failure ?? {
      kind: 'unknownOutcome',
      message: `${ended.title}: ${ended.outcome ?? `ended as ${ended.state}`}`,
      host: null,
      step: null,
      command: null,
      exitCode: null,
      stderr: null,
      nextStep: 'Look at the status, then run it again.',
    },
  );
}

function sayChange(said: Map<string, string>, step: OperationStep): void {
  const key = `${step.hostId ?? ''}/${step.step}`;
  if (step.state === 'pending' || said.get(key) === step.state) return;
  said.set(key, step.state);
  if (step.state === 'running') return;
  const tookMs =
    step.startedAtUnixMs !== null && step.endedAtUnixMs !== null ? step.endedAtUnixMs - step.startedAtUnixMs : null;
  const took = tookMs === null ? '' : ` (${(tookMs / 1000).toFixed(1)} s)`;
  note(
    `  ${(step.host ?? 'cluster').padEnd(10)} ${step.step}: ${step.state}${step.detail === null ? '' : `, ${step.detail}`}${took}`,
  );
}
