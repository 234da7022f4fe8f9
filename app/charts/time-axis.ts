/** Ticks of the shared time axis: round moments, about five of them. */
const steps = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800].map((seconds) => seconds * 1000);

export function timeTicks(fromUnixMs: number, toUnixMs: number): number[] {
  const span = toUnixMs - fromUnixMs;
  const step = steps.find((each) => span / each <= 6) ?? span / 5;
  const ticks: number[] = [];
  for (let t = Math.ceil(fromUnixMs / step) * step; t <= toUnixMs - step * 0.25; t += step) ticks.push(t);
  return ticks;
}

/** The top of a value axis that starts at zero: the first round figure that holds `highest`. */
export function niceCeiling(highest: number): number {
  if (!(highest > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(highest));
  const factor = [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10].find((each) => each * power >= highest * 1.001) ?? 10;
  return factor * power;
}

/**
 * Ticks of a value axis, lowest first; the first and the last are its ends. `whole`: the figures are counts, so every tick is an
 * integer and none stands twice.
 */
export function valueTicks([low, high]: readonly [number, number], whole: boolean): number[] {
  if (!whole) return [low, (low + high) / 2, high];
  const bottom = Math.floor(low);
  const span = Math.max(1, Math.ceil(high) - bottom);
  if (span === 1) return [bottom, bottom + 1];
  const half = Math.ceil(span / 2);
  return [bottom, bottom + half, bottom + 2 * half];
}
