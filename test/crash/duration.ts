/** `SYNOD_CRASH_SECONDS=600 npm test -- test/crash` makes each loop of faults last ten minutes instead of some seconds. */
export function faultSeconds(inCi: number): number {
  return Number(process.env.SYNOD_CRASH_SECONDS ?? inCi);
}

/** `SYNOD_CRASH_SEED` draws other victims and moments; without it they are always the same. */
export const crashSeed = Number(process.env.SYNOD_CRASH_SEED ?? 1);
