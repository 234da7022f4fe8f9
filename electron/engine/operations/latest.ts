/**
 * A value that changes, as an async iterator: the value now, and again after changes. A slow reader skips what it missed
 * (it always gets the newest), so nothing queues up.
 */
export interface LatestOptions<T> {
  readonly read: () => T;
  /** Calls back at each change; returns how to stop. */
  readonly subscribe: (onChange: () => void) => () => void;
  /** At least this long between two values. Default 0. */
  readonly minIntervalMs?: number;
  /** True when no further value can follow this one. */
  readonly isLast?: (value: T) => boolean;
  readonly signal?: AbortSignal | undefined;
}

export async function* latest<T>(options: LatestOptions<T>): AsyncGenerator<T, void, void> {
  let dirty = true;
  let wake: (() => void) | null = null;
  const poke = () => wake?.();
  const unsubscribe = options.subscribe(() => {
    dirty = true;
    poke();
  });
  options.signal?.addEventListener('abort', poke);
  const waitUntil = async (ready: () => boolean) => {
    while (!ready() && !options.signal?.aborted) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  try {
    while (!options.signal?.aborted) {
      dirty = false;
      const value = options.read();
      yield value;
      if (options.isLast?.(value)) return;
      if (options.minIntervalMs) await pause(options.minIntervalMs, options.signal);
      await waitUntil(() => dirty);
    }
  } finally {
    unsubscribe();
    options.signal?.removeEventListener('abort', poke);
  }
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener('abort', end);
  });
}
