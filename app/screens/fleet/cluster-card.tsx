import { ArrowRight } from 'lucide-react';
import { memo, useMemo } from 'react';
import { RENEW_CERTIFICATES_BEFORE_MS } from '../../../electron/contract/certificates.ts';
import { type ClusterView, formatBallot } from '../../../electron/contract/model.ts';
import { seriesKey } from '../../../electron/contract/series.ts';
import { Sparkline } from '../../charts/sparkline.tsx';
import { useHealth } from '../../live/health.ts';
import { useSeries } from '../../live/series.ts';
import { useStore } from '../../live/store.ts';
import { formatRoute } from '../../shell/router.ts';
import { HealthIcon } from '../../ui/condition.tsx';
import { Unknown } from '../../ui/figures.tsx';
import { formatCount } from '../../ui/format.ts';
import { Swatch } from '../../ui/swatch.tsx';
import { marginInWords } from '../../ui/margin.ts';

export const ClusterCard = memo(function ClusterCard({ cluster }: { cluster: ClusterView }) {
  const health = useHealth(cluster);
  const rates = useRates(cluster.clusterId);
  const leader = cluster.nodes.find((node) => node.nodeId === cluster.leader?.nodeId);
  return (
    <a
      href={formatRoute({ screen: 'cluster', clusterId: cluster.clusterId, tab: 'overview' })}
      data-testid="cluster-card"
      className="surface group block px-4 pt-3 pb-3 transition-colors hover:border-edge"
    >
      <div className="flex items-center gap-2">
        <HealthIcon level={health.level} />
        <h2 className="text-base font-semibold">{cluster.name}</h2>
        {cluster.lifecycle !== 'provisioned' && (
          <span className="rounded border border-warn/60 px-1.5 text-2xs text-warn">{cluster.lifecycle}</span>
        )}
        {cluster.origin === 'lab' && (
          <span className="rounded border border-line px-1.5 text-2xs text-faint">on this computer</span>
        )}
        <ArrowRight
          aria-hidden
          className="ml-auto size-4 text-faint transition-transform group-hover:translate-x-0.5"
        />
      </div>
      <p className="mt-1 text-dim">
        <span className="font-medium text-text">{health.headline}</span> {marginInWords(cluster.quorum)}
      </p>
      {expiresSoon(cluster) && (
        <p className="mt-1 text-warn">Its certificates expire soon: synod cluster rotate-certificates {cluster.name}</p>
      )}
      {cluster.unfinished.map((sentence) => (
        <p key={sentence} className="mt-1 text-warn">
          {sentence}
        </p>
      ))}
      <dl className="mt-3 grid grid-cols-3 gap-3">
        <div>
          <dt className="text-2xs text-faint">believed leader</dt>
          <dd className="mt-0.5 flex items-center gap-1.5 font-medium">
            {leader === undefined ? (
              'none'
            ) : (
              <>
                <Swatch memberSlot={leader.memberSlot} />
                {leader.name}
              </>
            )}
          </dd>
        </div>
        <div>
          <dt className="text-2xs text-faint">ballot</dt>
          <dd className="mt-0.5 font-mono">{cluster.leader === null ? 'none' : formatBallot(cluster.leader.ballot)}</dd>
        </div>
        <div>
          <dt className="text-2xs text-faint">writes</dt>
          <dd className="mt-0.5 font-medium">
            {cluster.writesPerSecond === null ? <Unknown /> : `${formatCount(cluster.writesPerSecond)} /s`}
          </dd>
        </div>
      </dl>
      <div className="mt-2">
        <Sparkline values={rates} label={`Writes per second of ${cluster.name}, last 5 minutes`} />
      </div>
    </a>
  );
});

function expiresSoon({ certificatesExpireAtUnixMs: expireAt }: ClusterView): boolean {
  return expireAt !== null && expireAt - Date.now() < RENEW_CERTIFICATES_BEFORE_MS;
}

const SPARK_WINDOW_MS = 5 * 60_000;

function useRates(clusterId: string): readonly (number | null)[] {
  const rows = useStore(useSeries(clusterId, SPARK_WINDOW_MS));
  return useMemo(() => rows.map((row) => row[seriesKey(clusterId, 'writesPerSecond')] ?? null), [rows, clusterId]);
}
