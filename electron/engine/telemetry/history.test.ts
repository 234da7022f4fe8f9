import { describe, expect, it } from 'vitest';
import type { SeriesBatch } from '../../contract/series.ts';
import { NOW, nodeIdOf, situationExample } from '../fleet/plan/situation-example.ts';
import { History } from './history.ts';
import { clusterSeries } from './series.ts';

const cluster = 'c-00000001';
const record = (history: History, second: number, ageMs: number) => {
  const situation = situationExample({ voters: 3, change: { 2: { ageMs } } });
  const shift = second * 1000;
  const observations = new Map(
    [...situation.observations].map(([id, seen]) => [id, { ...seen, observedAtUnixMs: seen.observedAtUnixMs + shift }]),
  );
  history.record(NOW + shift, {
    situations: [{ ...situation, nowUnixMs: NOW + shift, observations }],
    hosts: new Map(),
  });
};

describe('history', () => {
  it('writes what is young and leaves a gap for what is not', () => {
    const history = new History();
    record(history, 0, 200);
    record(history, 1, 2500);
    const { series } = history.rings.columns(
      [`${nodeIdOf(2)}/decidedUpTo`, `${nodeIdOf(1)}/decidedUpTo`, `${cluster}/leader`, `${cluster}/writesPerSecond`],
      2,
    );
    expect(series).toEqual({
      [`${nodeIdOf(2)}/decidedUpTo`]: [1000, null],
      [`${nodeIdOf(1)}/decidedUpTo`]: [1000, 1000],
      [`${cluster}/leader`]: [1, 1],
      [`${cluster}/writesPerSecond`]: [300, 300],
    });
  });

  it('gives a reader the window, then each second, and what it missed in one batch', async () => {
    const history = new History();
    for (let second = 0; second < 5; second++) record(history, second, 200);
    const leave = new AbortController();
    const reader = clusterSeries({
      history,
      clusterId: cluster,
      nodeIds: [nodeIdOf(1)],
      hostIds: [],
      windowMs: 60_000,
      signal: leave.signal,
    });
    const next = async () => (await reader.next()).value as SeriesBatch;
    const first = await next();
    expect([first.reset, first.atUnixMs.length, first.atUnixMs.at(-1)]).toEqual([true, 60, NOW + 4000]);
    const waiting = next();
    record(history, 5, 200);
    expect(await waiting).toMatchObject({ reset: false, atUnixMs: [NOW + 5000] });
    record(history, 6, 200);
    record(history, 7, 200);
    expect(await next()).toMatchObject({ reset: false, atUnixMs: [NOW + 6000, NOW + 7000] });
    for (let second = 8; second < 400; second++) record(history, second, 200);
    const anew = await next();
    expect([anew.reset, anew.atUnixMs.length]).toEqual([true, 60]);
    leave.abort();
    expect((await reader.next()).done).toBe(true);
  });

  it('gives at most 600 rows of an hour', async () => {
    const history = new History();
    for (let second = 0; second < 1000; second++) record(history, second, 200);
    const reader = clusterSeries({ history, clusterId: cluster, nodeIds: [], hostIds: [], windowMs: 3_600_000 });
    expect(((await reader.next()).value as SeriesBatch).atUnixMs).toHaveLength(600);
  });
});
