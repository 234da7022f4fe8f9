import { memo, useState } from 'react';
import type { ClusterView, HostView, NodeView } from '../../../electron/contract/model.ts';
import { useNow } from '../../live/clock.ts';
import { useEngineReached } from '../../live/health.ts';
import { Button } from '../../ui/button.tsx';
import { Card } from '../../ui/card.tsx';
import { HostReachability } from '../../ui/condition.tsx';
import { Age, Figure, Share } from '../../ui/figures.tsx';
import { formatMs, formatOffset, formatSpan } from '../../ui/format.ts';
import { Swatch } from '../../ui/swatch.tsx';
import { HostDialog } from './host-dialog.tsx';

/** A clock that is off by more, milliseconds, is marked. */
const CLOCK_WARN_MS = 25;

export function HostTable({ hosts, clusters }: { hosts: readonly HostView[]; clusters: readonly ClusterView[] }) {
  const [openHostId, setOpenHostId] = useState<string | null>(null);
  const open = hosts.find((host) => host.hostId === openHostId) ?? null;
  return (
    <Card title="Hosts" aside="one SSH connection each · sampled once a second">
      <div className="overflow-x-auto">
        <table className="w-full border-collapse text-left whitespace-nowrap">
          <thead>
            <tr className="text-xs text-faint">
              {['host', 'address', 'reachable', 'nodes', 'CPU', 'memory', 'disk', 'fsync p99', 'clock', ''].map(
                (title) => (
                  <th key={title} scope="col" className="py-1.5 pr-3 font-medium whitespace-nowrap">
                    {title === '' ? <span className="sr-only">actions</span> : title}
                  </th>
                ),
              )}
            </tr>
          </thead>
          <tbody>
            {hosts.map((host) => (
              <HostRow key={host.hostId} host={host} clusters={clusters} onOpen={() => setOpenHostId(host.hostId)} />
            ))}
          </tbody>
        </table>
      </div>
      <HostDialog host={open} onClose={() => setOpenHostId(null)} />
    </Card>
  );
}

const HostRow = memo(
  function HostRow(props: { host: HostView; clusters: readonly ClusterView[]; onOpen: () => void }) {
    const { host } = props;
    const { sample, sampledAtUnixMs: at } = host;
    const reached = useEngineReached();
    const nodes = props.clusters.flatMap((cluster) => cluster.nodes.filter((node) => node.hostId === host.hostId));
    return (
      <tr className="border-t border-line" data-testid={`host-row-${host.name}`}>
        <th scope="row" className="py-2 pr-3 font-medium">
          {host.name}
          <Age at={at} />
        </th>
        <td className="pr-3 font-mono text-xs text-dim">
          {host.address}:{host.port}
        </td>
        <td className="pr-3">
          <HostReachability state={reached ? host.reachability.state : 'unknown'} />
          {reached && <Since at={host.reachability.sinceUnixMs} />}
        </td>
        <td className="pr-3">
          <span className="name flex gap-x-2">
            {nodes.map((node) => (
              <span key={node.nodeId} className="inline-flex items-center gap-1.5">
                <Swatch memberSlot={node.memberSlot} />
                {node.name}
              </span>
            ))}
            {nodes.length === 0 && <span className="text-faint">none</span>}
          </span>
        </td>
        <td className="pr-3">
          <Share ratio={sample?.cpuRatio ?? null} at={at} warnFrom={0.9} />
        </td>
        <td className="pr-3">
          <Share ratio={usedRatio(sample?.memoryTotalBytes, sample?.memoryAvailableBytes)} at={at} warnFrom={0.9} />
        </td>
        <td className="pr-3">
          <Share ratio={diskRatio(host)} at={at} />
        </td>
        <td className="pr-3">{nodes.length === 0 ? <span className="text-faint">–</span> : <Fsync nodes={nodes} />}</td>
        <td className="pr-3">
          <ClockOffset offsetMs={host.clockOffsetMs} at={at} />
        </td>
        <td className="text-right">
          <Button size="sm" look={host.reachability.state in answers ? 'primary' : 'plain'} onClick={props.onOpen}>
            {answers[host.reachability.state] ?? 'Check…'}
            <span className="sr-only">{host.name}</span>
          </Button>
        </td>
      </tr>
    );
  },
  (before, after) => before.host === after.host && before.clusters === after.clusters,
);

/** The worst of the host's nodes. A node that answers and wrote nothing is idle, not unknown. */
function Fsync({ nodes }: { nodes: readonly NodeView[] }) {
  const measured = nodes.filter((node) => node.sample !== null);
  const latencies = measured.map((node) => node.sample?.fsyncLatency.p99Ms ?? null).filter((ms) => ms !== null);
  const at = measured.length === 0 ? null : Math.max(...measured.map((node) => node.observedAtUnixMs ?? 0));
  if (measured.length > 0 && latencies.length === 0)
    return <Figure value={<span className="text-faint">idle</span>} at={at} />;
  return <Figure value={latencies.length === 0 ? null : formatMs(Math.max(...latencies))} unit="ms" at={at} />;
}

/** What is asked of the operator before a host can be used. */
const answers: Partial<Record<HostView['reachability']['state'], string>> = {
  hostKeyUnknown: 'Answer…',
  hostKeyChanged: 'Look…',
  authFailed: 'Fix login…',
};

function Since({ at }: { at: number }) {
  const now = useNow();
  return (
    <span className="ml-1.5 align-middle text-2xs whitespace-nowrap text-faint">
      for {formatSpan(Math.max(0, now - at))}
    </span>
  );
}

function ClockOffset({ offsetMs, at }: { offsetMs: number | null; at: number | null }) {
  const off = offsetMs !== null && Math.abs(offsetMs) > CLOCK_WARN_MS;
  return (
    <span className={off ? 'font-medium text-warn' : undefined}>
      <Figure value={offsetMs === null ? null : `${formatOffset(offsetMs)}${off ? ' ↑' : ''}`} at={at} />
    </span>
  );
}

function usedRatio(total: number | null | undefined, free: number | null | undefined): number | null {
  return total == null || free == null || total === 0 ? null : 1 - free / total;
}

/** Of the disk that holds the node's data; where none does yet, of the fullest one. */
function diskRatio(host: HostView): number | null {
  const disks = host.sample?.disks ?? [];
  const data = disks.filter((disk) => disk.holdsData);
  const ratios = (data.length > 0 ? data : disks)
    .map((disk) => usedRatio(disk.totalBytes, disk.freeBytes))
    .filter((ratio) => ratio !== null);
  return ratios.length === 0 ? null : Math.max(...ratios);
}
