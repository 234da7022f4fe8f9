import type { ReactNode } from 'react';
import { type ClusterView, formatBallot } from '../../../../electron/contract/model.ts';
import { useNow } from '../../../live/clock.ts';
import { useEngineReached } from '../../../live/health.ts';
import { cn } from '../../../ui/class-names.ts';
import { Unknown } from '../../../ui/figures.tsx';
import { formatCount, formatMs, formatSpan } from '../../../ui/format.ts';
import { marginInWords } from '../../../ui/margin.ts';
import { Swatch } from '../../../ui/swatch.tsx';

/** The seven figures that are looked at first. */
export function KeyFigures({ cluster }: { cluster: ClusterView }) {
  const now = useNow();
  const reached = useEngineReached();
  const { leader, quorum } = cluster;
  const leading = cluster.nodes.find((node) => node.nodeId === leader?.nodeId);
  const slowest = cluster.nodes.find((node) => node.nodeId === cluster.fsyncP99NodeId);
  // Without writes there is nothing to measure: that is known, not unknown.
  const idle = cluster.writesPerSecond === 0 ? 'idle' : null;
  return (
    <dl
      aria-label={reached ? 'Figures' : 'Figures, last known'}
      className={cn(
        'grid grid-cols-[repeat(7,minmax(0,auto))] gap-px overflow-hidden rounded-lg border border-line bg-line',
        !reached && 'text-faint',
      )}
    >
      <Key term="Quorum" note={`of ${quorum.voters}, ${marginInWords(quorum).split(', ')[1] ?? ''}`}>
        {quorum.working}
      </Key>
      <Key
        term="Believed leader"
        note={leader === null ? 'no majority agrees' : `by ${leader.believedBy} of ${leader.asked}`}
      >
        {leading === undefined ? (
          'none'
        ) : (
          <>
            <Swatch memberSlot={leading.memberSlot} className="mr-2" />
            {leading.name}
          </>
        )}
      </Key>
      <Key
        term="Ballot"
        note={leader?.sinceUnixMs == null ? '' : `for ${formatSpan(Math.max(0, now - leader.sinceUnixMs))}`}
      >
        {leader === null ? 'none' : formatBallot(leader.ballot)}
      </Key>
      <Key term="Writes" note="/s">
        {cluster.writesPerSecond === null ? null : formatCount(cluster.writesPerSecond)}
      </Key>
      <Key term="Commit p99" note={cluster.commitP50Ms === null ? '' : `ms · p50 ${formatMs(cluster.commitP50Ms)}`}>
        {cluster.commitP99Ms === null ? idle : formatMs(cluster.commitP99Ms)}
      </Key>
      <Key term="fsync p99, worst" note={slowest === undefined ? '' : `ms · ${slowest.name}`}>
        {cluster.fsyncP99Ms === null ? idle : formatMs(cluster.fsyncP99Ms)}
      </Key>
      <Key term="Decided slot">{cluster.decidedUpTo === null ? null : formatCount(cluster.decidedUpTo)}</Key>
    </dl>
  );
}

/** `children` null: unknown. */
function Key({ term, note = '', children }: { term: string; note?: string; children: ReactNode }) {
  return (
    <div className="bg-panel px-3.5 pt-2 pb-2.5">
      <dt className="text-2xs whitespace-nowrap text-faint">{term}</dt>
      <dd className="mt-0.5 flex flex-wrap items-baseline gap-x-1.5">
        {children === null ? (
          <Unknown />
        ) : (
          <>
            <strong className="text-[19px] leading-tight font-semibold tracking-tight whitespace-nowrap">
              {children}
            </strong>
            <span className="text-xs whitespace-nowrap text-faint">{note}</span>
          </>
        )}
      </dd>
    </div>
  );
}
