import { until } from '../fixtures/until.ts';

/** `SYNOD_CRASH_SECONDS=600 npm test -- test/crash` makes each loop of faults last ten minutes instead of some seconds. */
export function faultSeconds(inCi: number): number {
  return Number(process.env.SYNOD_CRASH_SECONDS ?? inCi);
}

/** `SYNOD_CRASH_SEED` draws other victims and moments; without it they are always the same. */
export const crashSeed = Number(process.env.SYNOD_CRASH_SEED ?? 1);

/** For what takes a moment on an idle machine: how long it may take on a busy one. */
export const PATIENCE_MS = 40_000;

/** Like `until`, with that patience. */
export function eventually<T>(
  what: string,
  ask: () => Promise<T | null | undefined | false> | T | null | undefined | false,
) {
  return until(what, ask, PATIENCE_MS);
}
