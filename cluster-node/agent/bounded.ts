/** Waiting with an end: a sick disk or a silent process costs one figure, never the agent. */

/** The promise's value, or `fallback` when it has not come within `timeoutMs`. A rejection is passed on. */
export async function within<T, F>(promise: Promise<T>, timeoutMs: number, fallback: F): Promise<T | F> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<F>((resolve) => {
    timer = setTimeout(() => resolve(fallback), timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Runs a job at most once at a time: while one run hangs, asking again, with whatever arguments, waits for that one. So a job that never ends holds
 * one thread of the pool, not all four.
 */
export function singleFlight<A extends readonly unknown[], T>(
  job: (...args: A) => Promise<T>,
): (...args: A) => Promise<T> {
  let underWay: Promise<T> | null = null;
  return (...args) => {
    underWay ??= job(...args).finally(() => {
      underWay = null;
    });
    return underWay;
  };
}

/** Runs jobs of the same key one after another, in the order they came; jobs of different keys side by side. */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<unknown>>();

  run<T>(key: string, job: () => Promise<T>): Promise<T> {
    const result = (this.#tails.get(key) ?? Promise.resolve()).then(job);
    const tail = result
      .catch(() => {})
      .finally(() => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
      });
    this.#tails.set(key, tail);
    return result;
  }
}
