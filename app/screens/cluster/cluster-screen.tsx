/** One cluster: the answer to "is it fine?", what is broken on purpose, and its screens. */
import { HeartPulse } from 'lucide-react';
import { useEffect } from 'react';
import type { ClusterView } from '../../../electron/contract/model.ts';
import { ask } from '../../actions/requests.ts';
import { useCluster } from '../../live/fleet.ts';
import { useHealth } from '../../live/health.ts';
import { useOperations } from '../../live/operations.ts';
import { type ClusterTab, clusterTabs, formatRoute } from '../../shell/router.ts';
import { Button } from '../../ui/button.tsx';
import { cn } from '../../ui/class-names.ts';
import { HealthIcon } from '../../ui/condition.tsx';
import { ClusterMenu } from './cluster-menu.tsx';
import { FaultBanners } from './fault-banners.tsx';
import { FaultsTab } from './faults/faults-tab.tsx';
import { isHolding } from './fault-state.ts';
import { MoveLeaderMenu } from './move-leader-menu.tsx';
import { NodesTab } from './nodes/nodes-tab.tsx';
import { ResumeButton } from './resume-button.tsx';
import { OverviewTab } from './overview/overview-tab.tsx';

const tabNames: Record<ClusterTab, string> = { overview: 'Overview', nodes: 'Nodes', faults: 'Faults' };

export function ClusterScreen({ clusterId, tab }: { clusterId: string; tab: ClusterTab }) {
  const cluster = useCluster(clusterId);
  const destroyed = useOperations().some(
    (each) => each.kind === 'clusterDestroy' && each.clusterId === clusterId && each.state !== 'failed',
  );
  const gone = cluster === null && destroyed;
  useEffect(() => {
    if (gone) location.replace(formatRoute({ screen: 'fleet' }));
  }, [gone]);
  if (gone) return null;
  if (cluster === null)
    return (
      <div className="p-10 text-center">
        <h1 className="text-lg font-semibold">There is no such cluster</h1>
        <p className="mt-1 text-dim">
          <span className="font-mono text-xs">{clusterId}</span> is not in this fleet: it was destroyed, or belongs to
          another console.
        </p>
        <a className="mt-3 inline-block text-accent underline" href={formatRoute({ screen: 'fleet' })}>
          Go to the fleet
        </a>
      </div>
    );
  const holding = cluster.faults.filter(isHolding);
  return (
    <div className="grid content-start gap-3.5 px-5 pt-4 pb-8">
      <header className="flex items-start gap-4">
        <div className="min-w-0">
          <h1 className="text-xl font-semibold">{cluster.name}</h1>
          <HealthSentence cluster={cluster} />
        </div>
        <div className="ml-auto flex gap-2">
          {cluster.lifecycle === 'incomplete' && <ResumeButton clusterId={clusterId} />}
          <MoveLeaderMenu cluster={cluster} />
          <Button
            needsEngine
            look={holding.length > 0 ? 'fault' : 'plain'}
            disabled={holding.length === 0}
            data-testid="heal-all"
            onClick={() => ask({ kind: 'healAll', clusterId })}
          >
            <HeartPulse aria-hidden className="size-4" /> Heal everything
          </Button>
          <ClusterMenu cluster={cluster} />
        </div>
      </header>
      <nav aria-label={`Screens of ${cluster.name}`} className="flex gap-5 border-b border-line">
        {clusterTabs.map((each) => (
          <a
            key={each}
            href={formatRoute({ screen: 'cluster', clusterId, tab: each })}
            aria-current={each === tab ? 'page' : undefined}
            className={cn(
              '-mb-px border-b-2 border-transparent py-1.5 text-dim hover:text-text',
              each === tab && 'border-accent font-medium text-text',
            )}
          >
            {tabNames[each]}
            {each === 'faults' && holding.length > 0 && <span className="text-fault"> · {holding.length}</span>}
          </a>
        ))}
      </nav>
      <FaultBanners cluster={cluster} />
      {tab === 'overview' && <OverviewTab cluster={cluster} />}
      {tab === 'nodes' && <NodesTab cluster={cluster} />}
      {tab === 'faults' && <FaultsTab cluster={cluster} />}
    </div>
  );
}

/** The answer to "is it fine?". */
function HealthSentence({ cluster }: { cluster: ClusterView }) {
  const health = useHealth(cluster);
  return (
    <p className="mt-0.5 flex gap-2 text-dim">
      <HealthIcon level={health.level} className="mt-0.5" />
      <span>
        <b className="font-semibold text-text" data-testid="health-headline">
          {health.headline}
        </b>{' '}
        {health.detail}
      </span>
    </p>
  );
}
