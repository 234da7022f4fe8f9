import type { Action, Operation } from '../contract/model.ts';
import type { EngineClient } from '../serve/engine-socket.ts';
import { CommandFailure, note } from './context.ts';
import { follow } from './follow.ts';

/** Previews an action, says its consequence on stderr, runs it and follows it to its end. Throws CommandFailure. */
export async function act(client: EngineClient, action: Action): Promise<Operation> {
  const consequence = await client.actions.preview(action);
  for (const warning of consequence.warnings) note(`  note: ${warning}`);
  if (consequence.refusals.length > 0)
    throw new CommandFailure({
      kind: 'refused',
      message: consequence.refusals.join(' '),
      host: null,
      step: null,
      command: null,
      exitCode: null,
      stderr: null,
      nextStep: 'Nothing was changed. Do what the reason asks for, then run it again.',
    });
  const { operationId } = await client.actions.run(action);
  return follow(client, operationId);
}
