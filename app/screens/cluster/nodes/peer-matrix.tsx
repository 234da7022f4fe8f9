import type { ClusterView, NodeView } from '../../../../electron/contract/model.ts';
import { useNow } from '../../../live/clock.ts';
import { Card } from '../../../ui/card.tsx';
import { formatAge, formatMs } from '../../../ui/format.ts';
import { freshnessOf } from '../../../ui/freshness.ts';
import { Swatch } from '../../../ui/swatch.tsx';
import { cn } from '../../../ui/class-names.ts';
import { isHeard } from '../topology/heard.ts';
import { isDown } from '../topology/links.ts';

/** Who hears whom, by their own word: each row is one node's view of the others. */
export function PeerMatrix({ cluster }: { cluster: ClusterView }) {
  const now = useNow();
  return (
    <Card
      title="Who hears whom"
      aside="each row by that node's own word: round-trip, or since when nothing was heard"
      className="justify-self-start"
    >
      <div className="overflow-x-auto">
        <table className="border-separate border-spacing-1">
          <thead>
            <tr>
              <th scope="col" className="pr-3 text-left text-xs font-medium text-faint">
                says ↓ of →
              </th>
              {cluster.nodes.map((node) => (
                <th key={node.nodeId} scope="col" className="name px-1 text-xs font-medium text-dim">
                  {node.name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {cluster.nodes.map((from) => (
              <tr key={from.nodeId}>
                <th scope="row" className="pr-3 text-left font-medium">
                  <span className="flex items-center gap-2">
                    <Swatch memberSlot={from.memberSlot} />
                    {from.name}
                  </span>
                </th>
                {cluster.nodes.map((to) => (
                  <PeerCell key={to.nodeId} from={from} to={to} now={now} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

function PeerCell({ from, to, now }: { from: NodeView; to: NodeView; now: number }) {
  const silent = freshnessOf(from.observedAtUnixMs, now) === 'unknown';
  const shape = 'h-8 min-w-24 rounded-md border border-line px-2 text-center text-xs';
  if (from === to) return <td className={cn(shape, 'border-transparent text-faint')}>–</td>;
  const peer = from.sample?.peers.find((each) => each.memberSlot === to.memberSlot);
  const down = [from, to].find((node) => isDown(node, now));
  if (down !== undefined)
    return (
      <td className={cn(shape, 'bg-raise/40 text-faint')}>
        {down.name} {down.condition === 'failed' ? 'has failed' : 'is stopped'}
      </td>
    );
  if (silent || peer === undefined) return <td className={cn(shape, 'hatched text-unknown')}>unknown</td>;
  if (!isHeard(peer))
    return (
      <td className={cn(shape, 'border-dashed border-fault bg-faultwash text-fault')}>
        ✕ {peer.heardMsAgo === null ? 'never heard' : `${formatAge(peer.heardMsAgo)} ago`}
      </td>
    );
  return <td className={shape}>{peer.roundTripMs === null ? 'heard' : `${formatMs(peer.roundTripMs)} ms`}</td>;
}
