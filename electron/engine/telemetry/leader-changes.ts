/**
 * Who led a cluster when, told once. A change of leader is reported by every node that notices it; a ballot belongs to one
 * leader only, so the ballot makes these reports one. How long nobody led can be told where the end of the leader before is
 * known: it was killed or stopped from here, or it stepped down and said so.
 */

import type { NodeEvent } from '../../../cluster-node/contract/admin.ts';
import { ballotMemberSlot } from '../../../cluster-node/contract/ballot.ts';

export interface LeaderChange {
  readonly clusterId: string;
  readonly memberSlot: number;
  readonly ballot: number;
  /** On the engine's clock. */
  readonly atUnixMs: number;
  /** How long nobody led before, milliseconds; null: it cannot be told. */
  readonly gapMs: number | null;
  /** The leader before ended at a moment that the engine itself set: so long were writes stopped. */
  readonly gapIsCertain: boolean;
  /** The leader itself has said so: nobody will date it better. */
  readonly isByLeader: boolean;
}

interface Reign {
  readonly memberSlot: number;
  readonly ballot: number;
  readonly atUnixMs: number;
  /** The leader itself said so; others only noticed it later. */
  readonly byLeader: boolean;
  readonly heardAtUnixMs: number;
}

interface End {
  readonly memberSlot: number;
  readonly atUnixMs: number;
  readonly isCertain: boolean;
}

/** Reports of one change come from several hosts; for so long the better ones are waited for. */
const SETTLE_MS = 1500;
const MAX_KEPT = 200;

export class LeaderChanges {
  readonly #clusters = new Map<string, { reigns: Map<number, Reign>; ends: End[]; told: Set<number> }>();
  readonly #clock: () => number;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** `memberSlot`: of the node that reports. `event.atUnixMs` is on the engine's clock. */
  take(clusterId: string, memberSlot: number, event: NodeEvent): void {
    const cluster = this.#cluster(clusterId);
    if (event.kind === 'steppedDown') cluster.ends.push({ memberSlot, atUnixMs: event.atUnixMs, isCertain: false });
    if (event.kind !== 'becameLeader' && event.kind !== 'leaderChanged') return;
    const ballot = event.ballot ?? 0;
    if (ballot === 0) return;
    const byLeader = event.kind === 'becameLeader';
    const known = cluster.reigns.get(ballot);
    if (known?.byLeader || (known && !byLeader && known.atUnixMs <= event.atUnixMs)) return;
    cluster.reigns.set(ballot, {
      memberSlot: ballotMemberSlot(ballot),
      ballot,
      atUnixMs: event.atUnixMs,
      byLeader,
      heardAtUnixMs: known?.heardAtUnixMs ?? this.#clock(),
    });
    this.#trim(cluster);
  }

  /** The engine itself ended this node, or asked it to hand over, at this moment. */
  markEnded(clusterId: string, memberSlot: number, atUnixMs: number): void {
    this.#cluster(clusterId).ends.push({ memberSlot, atUnixMs, isCertain: true });
  }

  /** Since when this ballot leads; null: not heard. */
  sinceUnixMs(clusterId: string, ballot: number): number | null {
    return this.#clusters.get(clusterId)?.reigns.get(ballot)?.atUnixMs ?? null;
  }

  /** The first change after this moment; null: none was heard of. */
  firstAfter(clusterId: string, atUnixMs: number): LeaderChange | null {
    return this.#changes(clusterId).find((change) => change.atUnixMs > atUnixMs) ?? null;
  }

  /** Changes that are settled and were not given before, in the order of their ballots. */
  settled(): LeaderChange[] {
    const now = this.#clock();
    return [...this.#clusters].flatMap(([clusterId, { reigns, told }]) =>
      this.#changes(clusterId).filter((change) => {
        const heardAt = reigns.get(change.ballot)?.heardAtUnixMs ?? now;
        const isComplete = change.isByLeader && change.gapMs !== null;
        const isDue = !told.has(change.ballot) && (isComplete || now - heardAt >= SETTLE_MS);
        if (isDue) told.add(change.ballot);
        return isDue;
      }),
    );
  }

  forget(clusterId: string): void {
    this.#clusters.delete(clusterId);
  }

  #changes(clusterId: string): LeaderChange[] {
    const cluster = this.#clusters.get(clusterId);
    if (!cluster) return [];
    const reigns = [...cluster.reigns.values()].sort((a, b) => a.ballot - b.ballot);
    return reigns.map((reign, at) => {
      const end = endOf(reigns[at - 1], reign, cluster.ends);
      return {
        clusterId,
        memberSlot: reign.memberSlot,
        ballot: reign.ballot,
        atUnixMs: reign.atUnixMs,
        gapMs: end ? Math.max(0, Math.round(reign.atUnixMs - end.atUnixMs)) : null,
        gapIsCertain: end?.isCertain ?? false,
        isByLeader: reign.byLeader,
      };
    });
  }

  #cluster(clusterId: string) {
    const known = this.#clusters.get(clusterId);
    if (known) return known;
    const fresh = { reigns: new Map<number, Reign>(), ends: [], told: new Set<number>() };
    this.#clusters.set(clusterId, fresh);
    return fresh;
  }

  #trim(cluster: { reigns: Map<number, Reign>; ends: End[]; told: Set<number> }): void {
    const oldest = Math.min(...cluster.reigns.keys());
    if (cluster.reigns.size > MAX_KEPT) cluster.reigns.delete(oldest);
    if (cluster.ends.length > MAX_KEPT) cluster.ends.shift();
  }
}

/** Clocks of hosts are known to some milliseconds only: an end may seem to come a little after the next beginning. */
const CLOCK_DOUBT_MS = 100;

function endOf(before: Reign | undefined, next: Reign, ends: readonly End[]): End | null {
  if (!before) return null;
  const during = ends.filter(
    (end) =>
      end.memberSlot === before.memberSlot &&
      end.atUnixMs >= before.atUnixMs - CLOCK_DOUBT_MS &&
      end.atUnixMs <= next.atUnixMs + CLOCK_DOUBT_MS,
  );
  return during.find((end) => end.isCertain) ?? during[0] ?? null;
}
