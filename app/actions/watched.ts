/** Operations that are on the screen in full, and those whose end was seen there: nobody needs to be told of them in the tray. */
import { useEffect, useRef } from 'react';
import type { Operation } from '../../electron/contract/model.ts';
import { isRunning } from '../live/operations.ts';
import { createStore } from '../live/store.ts';

export const watchedOperations = createStore<ReadonlySet<string>>(new Set());

/** Counts an operation as watched while the component that shows it is there, and from then on when it ended meanwhile. */
export function useWatching(operation: Operation): void {
  const { operationId } = operation;
  const running = useRef(true);
  useEffect(() => {
    running.current = isRunning(operation);
  }, [operation]);
  useEffect(() => {
    watchedOperations.set(new Set([...watchedOperations.get(), operationId]));
    return () => {
      if (running.current)
        watchedOperations.set(new Set([...watchedOperations.get()].filter((id) => id !== operationId)));
    };
  }, [operationId]);
}
