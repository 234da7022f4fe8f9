/**
 * From observations to history. Once a second, on the whole second of the engine's clock, the newest observation of every
 * host and node is written to its rings, if it is young enough; an older one is a gap. Samples of all hosts come at moments
 * of their own, so "young enough" is two periods: one would leave holes from jitter alone.
 */

import type { HostSample, NodeSample } from '../../../cluster-node/contract/sample.ts';
import { seriesKey } from '../../contract/series.ts';
import { pictureOf, writesPerSecondOf } from '../fleet/plan/picture.ts';
import type { Situation } from '../fleet/plan/situation.ts';
import type { HostObservation } from '../fleet/plan/views.ts';
import { Rings } from './rings.ts';

/** An observation older than this is not written as the present. Milliseconds. */
export const RECENT_MS = 2000;
/** One hour. */
export const HISTORY_SECONDS = 3600;

/** Everything that is known at one second. */
export interface Moment {
  readonly situations: readonly Situation[];
  readonly hosts: ReadonlyMap<string, HostObservation>;
}

export class History {
  readonly rings = new Rings(HISTORY_SECONDS);
  readonly #listeners = new Set<() => void>();

  /** Writes one second. `atUnixMs` is rounded down to its second. */
  record(atUnixMs: number, moment: Moment): void {
    const values = new Map<string, number | null>();
    for (const [hostId, { sample, observedAtUnixMs }] of moment.hosts)
      if (atUnixMs - observedAtUnixMs <= RECENT_MS) putHost(values, hostId, sample);
    for (const situation of moment.situations) putCluster(values, situation, atUnixMs);
    if (this.rings.append(atUnixMs, values)) for (const listener of this.#listeners) listener();
  }

  /** Calls back after each second that was written; returns how to stop. */
  onSecond(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

type Values = Map<string, number | null>;

function putHost(values: Values, hostId: string, sample: HostSample): void {
  const { memoryTotalBytes: total, memoryAvailableBytes: available } = sample;
  const disk = sample.disks.find((one) => one.holdsData) ?? sample.disks[0];
  values.set(seriesKey(hostId, 'cpuRatio'), sample.cpuRatio);
  values.set(seriesKey(hostId, 'load1'), sample.load1);
  values.set(seriesKey(hostId, 'memoryUsedRatio'), usedRatio(total, available));
  values.set(seriesKey(hostId, 'diskUsedRatio'), disk ? usedRatio(disk.totalBytes, disk.freeBytes) : null);
}

/** In [0, 1]; null: unknown. */
function usedRatio(total: number | null, free: number | null): number | null {
  return total === null || free === null || total <= 0 ? null : Math.min(1, Math.max(0, 1 - free / total));
}

function putCluster(values: Values, situation: Situation, atUnixMs: number): void {
  const picture = pictureOf(situation);
  for (const { observation, sample } of picture.members) {
    if (sample && observation && atUnixMs - observation.observedAtUnixMs <= RECENT_MS)
      putNode(values, sample, observation.writesPerSecond);
  }
  const { clusterId } = situation.cluster;
  values.set(seriesKey(clusterId, 'writesPerSecond'), writesPerSecondOf(picture));
  values.set(seriesKey(clusterId, 'leader'), picture.leader?.memberSlot ?? null);
  values.set(seriesKey(clusterId, 'ballot'), picture.leader?.ballot ?? null);
}

function putNode(values: Values, sample: NodeSample, writesPerSecond: number | null): void {
  const id = sample.nodeId;
  values.set(seriesKey(id, 'decidedUpTo'), sample.decidedUpTo);
  values.set(seriesKey(id, 'appliedUpTo'), sample.appliedUpTo);
  values.set(seriesKey(id, 'commitP50Ms'), sample.commitLatency.p50Ms);
  values.set(seriesKey(id, 'commitP99Ms'), sample.commitLatency.p99Ms);
  values.set(seriesKey(id, 'fsyncP50Ms'), sample.fsyncLatency.p50Ms);
  values.set(seriesKey(id, 'fsyncP99Ms'), sample.fsyncLatency.p99Ms);
  values.set(seriesKey(id, 'writesPerSecond'), writesPerSecond);
  values.set(seriesKey(id, 'believedLeader'), sample.believedLeader);
  values.set(seriesKey(id, 'leaderBallot'), sample.leaderBallot);
}
