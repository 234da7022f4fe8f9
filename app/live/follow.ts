/** A subscription that outlives the connection: opened again whenever the engine is reached again. */
import { connection, type EngineClient } from './connection.ts';

const REOPEN_AFTER_MS = 1_000;

/** Follows a stream until the returned function is called. `whenItEnds` stop: an end that is no error is the end of it. */
export function follow<T>(options: {
  open: (client: EngineClient, signal: AbortSignal) => Promise<AsyncIterable<T>>;
  onValue: (value: T) => void;
  onError?: (error: unknown) => void;
  whenItEnds: 'stop' | 'reopen';
}): () => void {
  const stop = new AbortController();
  const run = async () => {
    while (!stop.signal.aborted) {
      const client = await onlineClient(stop.signal);
      if (client === null) return;
      try {
        for await (const value of await options.open(client, stop.signal)) {
          if (stop.signal.aborted) return;
          options.onValue(value);
        }
        if (options.whenItEnds === 'stop' && connection.get().client === client) return;
      } catch (error) {
        if (stop.signal.aborted) return;
        if (connection.get().client === client) options.onError?.(error);
      }
      await pause(REOPEN_AFTER_MS, stop.signal);
    }
  };
  void run();
  return () => stop.abort();
}

function onlineClient(signal: AbortSignal): Promise<EngineClient | null> {
  return new Promise((resolve) => {
    let release = () => {};
    const look = () => {
      const { client } = connection.get();
      if (client === null && !signal.aborted) return;
      release();
      signal.removeEventListener('abort', look);
      resolve(signal.aborted ? null : client);
    };
    release = connection.subscribe(look);
    signal.addEventListener('abort', look);
    look();
  });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
