/** Every cluster and every host at one look; where all begins while there are none. */
import { Plus } from 'lucide-react';
import { useState } from 'react';
import { OperationProgress } from '../../actions/operation-progress.tsx';
import { fleet } from '../../live/fleet.ts';
import { isRunning } from '../../live/operations.ts';
import { useStore } from '../../live/store.ts';
import { Button } from '../../ui/button.tsx';
import { Card } from '../../ui/card.tsx';
import { plural } from '../../ui/format.ts';
import { AddHostDialog } from './add-host-dialog.tsx';
import { CheckHostsDialog } from './check-hosts-dialog.tsx';
import { ClusterCard } from './cluster-card.tsx';
import { CreateClusterDialog } from './create-cluster-dialog.tsx';
import { EmptyFleet } from './empty-fleet.tsx';
import { HostTable } from './host-table.tsx';
import { NoCluster } from './no-cluster.tsx';
import { LabMenu } from './lab-menu.tsx';

const provisioning = new Set(['labUp', 'labDown', 'clusterCreate', 'clusterDestroy']);

export function FleetScreen() {
  const snapshot = useStore(fleet);
  const [dialog, setDialog] = useState<'addHost' | 'checkHosts' | 'createCluster' | null>(null);
  if (snapshot === null) return null;
  const running = snapshot.operations.filter((each) => isRunning(each) && provisioning.has(each.kind));
  const empty = snapshot.hosts.length === 0 && snapshot.clusters.length === 0;
  return (
    <div className="grid content-start gap-4 px-5 pt-4 pb-8">
      <header className="flex items-start gap-4">
        <div className="min-w-0">
          <h1 className="text-xl font-semibold">Fleet</h1>
          <p className="text-dim">
            {plural(snapshot.clusters.length, 'cluster')} on {plural(snapshot.hosts.length, 'host')}
          </p>
        </div>
        <div className="ml-auto flex gap-2">
          <LabMenu hasLab={snapshot.hosts.some((host) => host.origin === 'lab')} />
          <Button needsEngine disabled={snapshot.hosts.length === 0} onClick={() => setDialog('checkHosts')}>
            Check hosts
          </Button>
          <Button needsEngine onClick={() => setDialog('addHost')}>
            <Plus aria-hidden className="size-4" /> Add host
          </Button>
          <Button
            needsEngine
            look={empty ? 'plain' : 'primary'}
            disabled={snapshot.hosts.length === 0}
            onClick={() => setDialog('createCluster')}
          >
            Create cluster
          </Button>
        </div>
      </header>
      {running.map((operation) => (
        <Card key={operation.operationId} title={operation.title} testId="running-operation">
          <OperationProgress operation={operation} />
        </Card>
      ))}
      {empty && running.length === 0 && <EmptyFleet onAddHost={() => setDialog('addHost')} />}
      {!empty && snapshot.clusters.length === 0 && running.length === 0 && (
        <NoCluster
          hasLab={snapshot.hosts.some((host) => host.origin === 'lab')}
          onCreate={() => setDialog('createCluster')}
        />
      )}
      {snapshot.clusters.length > 0 && (
        <section aria-label="Clusters" className="grid grid-cols-[repeat(auto-fill,minmax(360px,1fr))] gap-3.5">
          {snapshot.clusters.map((cluster) => (
            <ClusterCard key={cluster.clusterId} cluster={cluster} />
          ))}
        </section>
      )}
      {snapshot.hosts.length > 0 && <HostTable hosts={snapshot.hosts} clusters={snapshot.clusters} />}
      <AddHostDialog open={dialog === 'addHost'} onClose={() => setDialog(null)} />
      <CheckHostsDialog open={dialog === 'checkHosts'} onClose={() => setDialog(null)} />
      <CreateClusterDialog open={dialog === 'createCluster'} onClose={() => setDialog(null)} />
    </div>
  );
}
