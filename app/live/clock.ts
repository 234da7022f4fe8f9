/** The engine's clock, which all ages are measured on, and a tick for what shows them. */
import { useSyncExternalStore } from 'react';

let engineAheadMs = 0;

/** Told at each snapshot, which carries the engine's time. */
export function engineSaid(atUnixMs: number): void {
  engineAheadMs = atUnixMs - Date.now();
}

export function engineNow(): number {
  return Date.now() + engineAheadMs;
}

const TICK_MS = 500;
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | null = null;
let tickedAtUnixMs = Date.now();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (timer === null) {
    tickedAtUnixMs = engineNow();
    timer = setInterval(() => {
      tickedAtUnixMs = engineNow();
      for (const each of listeners) each();
    }, TICK_MS);
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0 || timer === null) return;
    clearInterval(timer);
    timer = null;
  };
}

/** The engine's time, renewed twice a second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => tickedAtUnixMs);
}

/** The same, rounded down to a second: for what need not be computed more often. */
export function useSecond(): number {
  return useSyncExternalStore(subscribe, () => Math.floor(tickedAtUnixMs / 1000) * 1000);
}

/** A moment on the engine's clock as one on this computer's. */
export function localTime(engineUnixMs: number): number {
  return engineUnixMs - engineAheadMs;
}
