import { memo, useMemo } from 'react';
import type { ClusterView } from '../../../../electron/contract/model.ts';
import { type HostMetric, type NodeMetric, seriesKey } from '../../../../electron/contract/series.ts';
import type { ChartLine } from '../../../charts/chart-line.ts';
import { TimeChart } from '../../../charts/time-chart.tsx';
import { useHosts } from '../../../live/fleet.ts';
import { formatCompact, formatMs, formatPercent } from '../../../ui/format.ts';
import { nodeColour } from '../../../ui/node-colour.ts';

/** All charts of a cluster; they redraw with new rows, not with every snapshot. */
export function ClusterCharts({ cluster }: { cluster: ClusterView }) {
  const hosts = useHosts();
  const identity = JSON.stringify(
    cluster.nodes.map((node) => [
      node.memberSlot,
      node.nodeId,
      node.name,
      node.hostId,
      hosts.find((host) => host.hostId === node.hostId)?.name ?? node.hostId,
    ]),
  );
  return <Charts clusterId={cluster.clusterId} identity={identity} />;
}

type Member = [memberSlot: number, nodeId: string, name: string, hostId: string, host: string];

const Charts = memo(function Charts({ clusterId, identity }: { clusterId: string; identity: string }) {
  const lines = useMemo(() => linesOf(JSON.parse(identity) as Member[], clusterId), [identity, clusterId]);
  const shared = { clusterId };
  return (
    <div className="grid grid-cols-2 gap-3.5 min-[1700px]:grid-cols-3">
      <TimeChart {...shared} title="Writes" unit="per second" lines={lines.writes} format={formatCompact} whole />
      <TimeChart
        {...shared}
        title="Decided slots"
        unit="slots"
        lines={lines.decided}
        format={formatCompact}
        fromLowest
        whole
        namesOnly
      />
      <TimeChart {...shared} title="Commit latency p99" unit="ms" lines={lines.commitP99} format={formatMs} />
      <TimeChart {...shared} title="Commit latency p50" unit="ms" lines={lines.commitP50} format={formatMs} />
      <TimeChart {...shared} title="fsync p99" unit="ms" lines={lines.fsyncP99} format={formatMs} />
      <TimeChart {...shared} title="Disk" unit="per host" lines={lines.disk} format={formatPercent} max={1} />
      <TimeChart {...shared} title="CPU" unit="per host" lines={lines.cpu} format={formatPercent} max={1} />
      <TimeChart {...shared} title="Memory" unit="per host" lines={lines.memory} format={formatPercent} max={1} />
    </div>
  );
});

function linesOf(members: readonly Member[], clusterId: string) {
  const ofNodes = (metric: NodeMetric): readonly ChartLine[] =>
    members.map(([slot, nodeId, name]) => ({
      series: seriesKey(nodeId, metric),
      name: shortName(name, members.length),
      colour: nodeColour(slot),
      group: slot,
      idleWhile: seriesKey(nodeId, 'decidedUpTo'),
    }));
  const ofHosts = (metric: HostMetric): readonly ChartLine[] =>
    members.map(([slot, , , hostId, host]) => ({
      series: seriesKey(hostId, metric),
      name: shortName(host, members.length),
      colour: nodeColour(slot),
      group: slot,
    }));
  return {
    writes: [
      { series: seriesKey(clusterId, 'writesPerSecond'), name: 'cluster', colour: 'var(--color-accent)', group: null },
    ] as readonly ChartLine[],
    decided: ofNodes('decidedUpTo'),
    commitP99: ofNodes('commitP99Ms'),
    commitP50: ofNodes('commitP50Ms'),
    fsyncP99: ofNodes('fsyncP99Ms'),
    disk: ofHosts('diskUsedRatio'),
    cpu: ofHosts('cpuRatio'),
    memory: ofHosts('memoryUsedRatio'),
  };
}

/** "node-3" → "3" where many lines share a legend. */
function shortName(name: string, count: number): string {
  return count > 3 ? (/(\d+)$/.exec(name)?.[1] ?? name) : name;
}
