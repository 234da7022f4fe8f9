/** What each node claims, shortly; the Nodes screen has all of it. What disagrees with the majority stands out. */
import { type ClusterView, formatBallot, type NodeView } from '../../../../electron/contract/model.ts';
import { cn } from '../../../ui/class-names.ts';
import { useNow } from '../../../live/clock.ts';
import { freshnessOf } from '../../../ui/freshness.ts';
import { Age, Figure } from '../../../ui/figures.tsx';
import { formatBytes, formatMs } from '../../../ui/format.ts';
import { nodeNameOf } from '../node-name.ts';
import { isDown } from '../topology/links.ts';

export function NodeClaims({ cluster }: { cluster: ClusterView }) {
  const titles = ['node', 'leads, it says', 'ballot', 'commit p99', 'fsync p99', 'writes', 'data'];
  return (
    <table className="mt-2 w-full border-collapse text-left">
      <thead>
        <tr className="text-xs text-faint">
          {titles.map((title) => (
            <th key={title} scope="col" className="py-1 pr-2 font-medium whitespace-nowrap">
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {cluster.nodes.map((node) => (
          <Row key={node.nodeId} node={node} cluster={cluster} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ node, cluster }: { node: NodeView; cluster: ClusterView }) {
  const { sample, observedAtUnixMs: at } = node;
  const odd = cluster.leader !== null && sample?.believedLeader !== cluster.leader.memberSlot;
  const oddBallot = cluster.leader !== null && sample?.leaderBallot !== cluster.leader.ballot;
  const now = useNow();
  const down = isDown(node, now);
  if (sample === null || freshnessOf(at, now) === 'unknown')
    return (
      <tr className="border-t border-line">
        <th scope="row" className="py-1.5 pr-2 font-normal whitespace-nowrap min-[1700px]:py-2.5">
          {node.name}
          <Age at={at} />
        </th>
        <td colSpan={6}>
          <span className={cn('block rounded-sm px-1.5', down ? 'text-faint' : 'hatched text-unknown')}>
            {down ? node.condition : freshnessOf(at, now) === 'unknown' ? 'unknown' : 'no answer from the node'}
          </span>
        </td>
      </tr>
    );
  return (
    <tr className="border-t border-line">
      <th scope="row" className="py-1.5 pr-2 font-normal whitespace-nowrap min-[1700px]:py-2.5">
        {node.name}
        <Age at={at} />
      </th>
      <td className={cn('pr-2', odd && 'font-medium text-warn')}>
        <Figure value={`${odd ? '≠ ' : ''}${nodeNameOf(cluster, sample.believedLeader)}`} at={at} />
      </td>
      <td className={cn('pr-2 font-mono text-xs', oddBallot && 'font-medium text-warn')}>
        <Figure value={formatBallot(sample.leaderBallot)} at={at} />
      </td>
      <td className="pr-2">
        <Latency ms={sample.commitLatency.p99Ms} node={node} />
      </td>
      <td className="pr-2">
        <Latency ms={sample.fsyncLatency.p99Ms} node={node} />
      </td>
      <td className="pr-2">
        <Figure value={node.writesPerSecond === null ? null : Math.round(node.writesPerSecond)} unit="/s" at={at} />
      </td>
      <td>
        <Figure value={sample.dataBytes == null ? null : formatBytes(sample.dataBytes)} at={at} />
      </td>
    </tr>
  );
}

/** Without a sample it is unknown; with one and no figure, nothing was measured in that second. */
function Latency({ ms, node }: { ms: number | null | undefined; node: NodeView }) {
  const at = node.observedAtUnixMs;
  if (node.sample !== null && ms == null) return <Figure value={<span className="text-faint">idle</span>} at={at} />;
  return <Figure value={ms == null ? null : formatMs(ms)} unit="ms" at={at} />;
}
