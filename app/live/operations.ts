/** An operation, followed to its end: by its own stream, and by the fleet's snapshot where the stream cannot be had. */
import { useEffect, useState } from 'react';
import type { Operation } from '../../electron/contract/model.ts';
import { fleet } from './fleet.ts';
import { follow } from './follow.ts';
import { useStore } from './store.ts';

const none: readonly Operation[] = [];

export function useOperations(): readonly Operation[] {
  return useStore(fleet, (value) => value?.operations ?? none);
}

export function useOperation(operationId: string | null): Operation | null {
  const [followed, setFollowed] = useState<Operation | null>(null);
  const listed = useOperations().find((operation) => operation.operationId === operationId) ?? null;
  useEffect(() => {
    if (operationId === null) return;
    return follow({
      open: (client, signal) => client.operations.watch({ operationId }, { signal }),
      onValue: setFollowed,
      whenItEnds: 'stop',
    });
  }, [operationId]);
  if (followed?.operationId !== operationId) return listed;
  return listed?.endedAtUnixMs != null && followed?.endedAtUnixMs == null ? listed : followed;
}

export function isRunning(operation: Operation): boolean {
  return operation.state === 'pending' || operation.state === 'running';
}
