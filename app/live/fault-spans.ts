/** From when to when faults held, for shading charts. A fault that ends is remembered with the moment it was seen to end. */
import type { FleetSnapshot } from '../../electron/contract/contract.ts';
import { createStore } from './store.ts';

export interface FaultSpan {
  readonly faultId: string;
  readonly clusterId: string;
  readonly title: string;
  readonly fromUnixMs: number;
  /** null: it still holds. */
  readonly toUnixMs: number | null;
}

const KEPT_MS = 60 * 60_000;
const holding = new Set(['injecting', 'active', 'healing', 'unknown']);

export const faultSpans = createStore<readonly FaultSpan[]>([]);

export function rememberFaults(snapshot: FleetSnapshot): void {
  faultSpans.set(nextSpans(faultSpans.get(), snapshot));
}

/** Pure: the spans after this snapshot; the same array when nothing changed. */
export function nextSpans(spans: readonly FaultSpan[], snapshot: FleetSnapshot): readonly FaultSpan[] {
  const now = snapshot.atUnixMs;
  const next = new Map(spans.filter((span) => (span.toUnixMs ?? now) > now - KEPT_MS).map((s) => [s.faultId, s]));
  const seen = new Set<string>();
  for (const fault of snapshot.clusters.flatMap((cluster) => cluster.faults)) {
    if (fault.state === 'notInjected') continue;
    seen.add(fault.faultId);
    const known = next.get(fault.faultId);
    const holds = holding.has(fault.state);
    if (known !== undefined && (known.toUnixMs === null) === holds) continue;
    next.set(fault.faultId, {
      faultId: fault.faultId,
      clusterId: fault.clusterId,
      title: fault.title,
      fromUnixMs: fault.injectedAtUnixMs,
      toUnixMs: holds
        ? null
        : (fault.endedAtUnixMs ?? Math.min(fault.healsAtUnixMs, known === undefined ? fault.healsAtUnixMs : now)),
    });
  }
  for (const [faultId, span] of next)
    if (span.toUnixMs === null && !seen.has(faultId)) next.set(faultId, { ...span, toUnixMs: now });
  const result = [...next.values()];
  return result.length === spans.length && result.every((span, index) => span === spans[index]) ? spans : result;
}
