/**
 * A value outside React's tree that components read with `useStore`. Listeners hear of changes once per animation frame,
 * however many arrive in it, so live data costs at most one render a frame.
 */
import { useSyncExternalStore } from 'react';

export interface Store<T> {
  readonly get: () => T;
  readonly set: (value: T) => void;
  readonly subscribe: (listener: () => void) => () => void;
}

export function createStore<T>(initial: T): Store<T> {
  let value = initial;
  let scheduled = false;
  const listeners = new Set<() => void>();
  const notify = () => {
    scheduled = false;
    for (const listener of listeners) listener();
  };
  return {
    get: () => value,
    set: (next) => {
      if (Object.is(next, value)) return;
      value = next;
      if (scheduled) return;
      scheduled = true;
      nextFrame(notify);
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** A hidden page gets no animation frames, and must not fall behind for that. */
function nextFrame(run: () => void): void {
  if (typeof document === 'undefined' || document.hidden) setTimeout(run, 0);
  else requestAnimationFrame(run);
}

export function useStore<T>(store: Store<T>): T;
/** `select` must give a part of the value, not something new at each call. */
export function useStore<T, S>(store: Store<T>, select: (value: T) => S): S;
export function useStore<T, S>(store: Store<T>, select?: (value: T) => S): T | S {
  return useSyncExternalStore(store.subscribe, () => (select === undefined ? store.get() : select(store.get())));
}
