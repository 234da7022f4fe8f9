/** How far each node's log is: applied as a bar, decided as a tick, in a window of slots behind the head. */
import { memo } from 'react';
import type { ClusterView, NodeView } from '../../../../electron/contract/model.ts';
import { niceCeiling } from '../../../charts/time-axis.ts';
import { useNow } from '../../../live/clock.ts';
import { conditionAt } from '../../../live/health.ts';
import { cn } from '../../../ui/class-names.ts';
import { NodeCondition } from '../../../ui/condition.tsx';
import { Age, Unknown } from '../../../ui/figures.tsx';
import { formatCount, plural } from '../../../ui/format.ts';
import { freshnessOf } from '../../../ui/freshness.ts';
import { lagInWords } from '../../../ui/lag.ts';
import { nodeColour } from '../../../ui/node-colour.ts';
import { Swatch } from '../../../ui/swatch.tsx';

/** The window shows at least this many slots, and at least what two seconds of writes make. */
const LEAST_WINDOW = 200;

export function LogLanes({ cluster }: { cluster: ClusterView }) {
  const head = cluster.decidedUpTo ?? Math.max(0, ...cluster.nodes.map((node) => node.sample?.decidedUpTo ?? 0));
  const wanted = niceCeiling(Math.max(LEAST_WINDOW, (cluster.writesPerSecond ?? 0) * 2) * 0.999);
  const windowSlots = Math.max(1, Math.min(wanted, head));
  return (
    <div className="grid grid-cols-[auto_auto_minmax(60px,1fr)_minmax(96px,auto)] gap-x-3">
      {cluster.nodes.map((node) => (
        <Lane
          key={node.nodeId}
          node={node}
          head={head}
          windowSlots={windowSlots}
          lag={lagInWords(node, cluster.writesPerSecond)}
        />
      ))}
      <p className="col-span-4 mt-0.5 text-2xs text-faint">
        {head <= windowSlots
          ? head === 0
            ? 'Nothing is decided yet.'
            : `The bars show the whole log, ${plural(head, 'slot')}.`
          : `The bars show the last ${formatCount(windowSlots)} slots, up to slot ${formatCount(head)}.`}
      </p>
    </div>
  );
}

const Lane = memo(function Lane(props: { node: NodeView; head: number; windowSlots: number; lag: string }) {
  const { node, head, windowSlots } = props;
  const now = useNow();
  const { sample } = node;
  const freshness = freshnessOf(node.observedAtUnixMs, now);
  const known = sample !== null && freshness !== 'unknown';
  // The engine allows for nodes being sampled at different moments; the bars must not say otherwise.
  const behind = node.behindSlots ?? head - (sample?.decidedUpTo ?? 0);
  const share = (slot: number) =>
    Math.max(0, Math.min(1, 1 - (behind + (sample?.decidedUpTo ?? 0) - slot) / windowSlots)) * 100;
  const behindWindow = known && share(sample.appliedUpTo) === 0;
  return (
    <div className="col-span-4 grid grid-cols-subgrid items-center py-[5px] min-[1700px]:py-2">
      <span className={cn('flex min-w-0 items-center gap-2', node.condition === 'leader' && 'font-semibold')}>
        <Swatch memberSlot={node.memberSlot} />
        <span className="name truncate">{node.name}</span>
      </span>
      <NodeCondition condition={conditionAt(node, now)} className="text-xs" testId={`node-condition-${node.name}`} />
      <div
        aria-hidden
        className={cn('relative h-4 min-[1700px]:h-6 overflow-hidden rounded-[3px] bg-raise', !known && 'hatched')}
      >
        {known && (
          <>
            <div
              className="absolute inset-y-0 left-0 rounded-l-[3px]"
              style={{
                width: `${behindWindow ? 3 : share(sample.appliedUpTo)}%`,
                background: nodeColour(node.memberSlot),
                opacity: behindWindow || freshness === 'stale' ? 0.45 : 1,
              }}
            />
            {!behindWindow && (
              <div
                className="absolute inset-y-0 w-0.5 -translate-x-full bg-text"
                style={{ left: `${share(sample.decidedUpTo)}%` }}
              />
            )}
          </>
        )}
      </div>
      <span className="text-right whitespace-nowrap text-dim">
        {known ? (
          <>
            <span data-testid={`decided-${node.name}`} data-decided={sample.decidedUpTo}>
              {formatCount(sample.decidedUpTo)}
            </span>
            {' · '}
            {props.lag}
            <Age at={node.observedAtUnixMs} />
          </>
        ) : (
          <Unknown at={node.observedAtUnixMs} />
        )}
      </span>
    </div>
  );
});
