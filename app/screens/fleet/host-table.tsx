import { memo, useState } from 'react';
import type { ClusterView, HostView } from '../../../electron/contract/model.ts';
import { useNow } from '../../live/clock.ts';
import { Button } from '../../ui/button.tsx';
import { Card } from '../../ui/card.tsx';
import { HostReachability } from '../../ui/condition.tsx';
import { Figure, Share } from '../../ui/figures.tsx';
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
    const nodes = props.clusters.flatMap((cluster) => cluster.nodes.filter((node) => node.hostId === host.hostId));
    const fsync = nodes.map((node) => node.sample?.fsyncLatency.p99Ms ?? null).filter((ms) => ms !== null);
    return (
      <tr className="border-t border-line" data-testid={`host-row-${host.name}`}>
        <th scope="row" className="py-2 pr-3 font-medium">
          {host.name}
        </th>
        <td className="pr-3 font-mono text-xs text-dim">
          {host.address}:{host.port}
        </td>
        <td className="pr-3">
          <HostReachability state={host.reachability.state} />
          <Since at={host.reachability.sinceUnixMs} />
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
        <td className="pr-3">
          {nodes.length === 0 ? (
            <span className="text-faint">–</span>
          ) : (
            <Figure value={fsync.length === 0 ? null : formatMs(Math.max(...fsync))} unit="ms" at={at} />
          )}
        </td>
        <td className="pr-3">
          <ClockOffset offsetMs={host.clockOffsetMs} at={at} />
        </td>
        <td className="text-right">
          <Button size="sm" look={needsAnswer(host) ? 'primary' : 'plain'} onClick={props.onOpen}>
            {needsAnswer(host) ? 'Answer…' : 'Check…'}
            <span className="sr-only">{host.name}</span>
          </Button>
        </td>
      </tr>
    );
  },
  (before, after) => before.host === after.host && before.clusters === after.clusters,
);

function needsAnswer(host: HostView): boolean {
  return ['hostKeyUnknown', 'hostKeyChanged', 'authFailed'].includes(host.reachability.state);
}

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
