/** Who led when: what the cluster's majority believed, and below it what each node believed, so that disagreement shows. */
import { useDeferredValue } from 'react';
import { type ClusterView, formatBallot } from '../../../../electron/contract/model.ts';
import { LeaderRibbon } from '../../../charts/leader-ribbon.tsx';
import { faultSpans } from '../../../live/fault-spans.ts';
import { useChartTime, useRows } from '../../../live/series.ts';
import { useStore } from '../../../live/store.ts';
import { Card } from '../../../ui/card.tsx';
import { formatClock } from '../../../ui/format.ts';
import { nodeNameOf } from '../node-name.ts';

export function LeaderStrip({ cluster }: { cluster: ClusterView }) {
  const time = useChartTime();
  const rows = useDeferredValue(useRows(time));
  const spans = useStore(faultSpans).filter((span) => span.clusterId === cluster.clusterId);
  const to = rows.at(-1)?.t ?? 0;
  const from = to - time.windowMs;
  const percent = (t: number) => Math.min(100, Math.max(0, ((t - from) / time.windowMs) * 100));
  const ballotAt = (t: number) => rows.find((row) => row.t >= t)?.[`${cluster.clusterId}/ballot`] ?? null;
  const label = (slot: number, at: number) => {
    const ballot = ballotAt(at);
    return `${nodeNameOf(cluster, slot)}${ballot === null ? '' : ` · ${formatBallot(ballot)}`}`;
  };
  return (
    <Card title="Leader and ballot" aside="what the majority believed, then each node">
      {rows.length === 0 ? (
        <p className="py-6 text-center text-xs text-faint">no data</p>
      ) : (
        <div className="grid grid-cols-[64px_minmax(0,1fr)] items-center gap-x-3 gap-y-1">
          <span className="text-xs text-dim">majority</span>
          <div className="relative">
            {spans.map((span) => (
              <span
                key={span.faultId}
                aria-hidden
                className="absolute -inset-y-1 border-x border-dashed border-fault/60 bg-fault/15"
                style={{
                  left: `${percent(span.fromUnixMs)}%`,
                  width: `${percent(span.toUnixMs ?? to) - percent(span.fromUnixMs)}%`,
                }}
              />
            ))}
            <LeaderRibbon
              rows={rows}
              series={`${cluster.clusterId}/leader`}
              fromUnixMs={from}
              toUnixMs={to}
              className="h-[18px]"
              label={label}
            />
          </div>
          {cluster.nodes.map((node) => (
            <div key={node.nodeId} className="contents">
              <span className="truncate text-2xs text-faint">{node.name}</span>
              <LeaderRibbon
                rows={rows}
                series={`${node.nodeId}/believedLeader`}
                fromUnixMs={from}
                toUnixMs={to}
                className="h-[5px]"
              />
            </div>
          ))}
          <span />
          <div className="flex justify-between text-2xs text-faint">
            <span>{formatClock(from)}</span>
            <span>{formatClock(to)}</span>
          </div>
        </div>
      )}
    </Card>
  );
}
