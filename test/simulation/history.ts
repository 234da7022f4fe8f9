/**
 * Judges what the clients of a whole seed saw by a checker that knows nothing of the protocol (test/checker): each key is a
 * register, and every write writes another value. What became of a request whose node died, whose client gave up or that is
 * still under way is unknown.
 */
import type { Operation } from '../checker/history.ts';
import type { RegisterInput, RegisterOutput } from '../checker/register.ts';
import { checkUniqueWrites } from '../checker/unique-writes.ts';
import type { ClientOperation } from './clients.ts';
import { Violation } from './violation.ts';

/** Throws Violation unless the history is linearizable. */
export function checkHistory(history: readonly ClientOperation[]): void {
  for (const [key, operations] of Map.groupBy(history, (operation) => operation.key)) {
    const window = checkUniqueWrites(operations.filter(({ isRefused }) => !isRefused).map(toOperation));
    if (window !== null) throw new Violation('linearizable history', `key ${key}: ${window.join('; ')}`);
  }
}

function toOperation(operation: ClientOperation): Operation<RegisterInput, RegisterOutput> {
  const { client, writes, calledAtMs: calledAt, returned } = operation;
  const input: RegisterInput = writes === null ? { kind: 'read' } : { kind: 'write', value: String(writes) };
  if (returned === null) return { client, input, calledAt, returned };
  const output = writes !== null || returned.value === 0 ? null : String(returned.value);
  return { client, input, calledAt, returned: { at: returned.atMs, output } };
}
