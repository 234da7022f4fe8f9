import { EllipsisVertical } from 'lucide-react';
import { useState } from 'react';
import type { ClusterView, Failure } from '../../../electron/contract/model.ts';
import { ask, openedOperation } from '../../actions/requests.ts';
import { engine } from '../../live/connection.ts';
import { failureOf } from '../../live/failure.ts';
import { Button } from '../../ui/button.tsx';
import { Menu, MenuItem } from '../../ui/menu.tsx';
import { AccessDialog, type Access } from './access-dialog.tsx';

/** What is seldom done to a whole cluster. */
export function ClusterMenu({ cluster }: { cluster: ClusterView }) {
  const [access, setAccess] = useState<Access | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const { clusterId } = cluster;
  const attempt = async (run: () => Promise<void>) => {
    setFailure(null);
    try {
      await run();
    } catch (error) {
      setFailure(failureOf(error));
    }
  };
  const showAccess = () => attempt(async () => setAccess(await engine().clusters.access({ clusterId })));
  const resume = () =>
    attempt(async () => openedOperation.set((await engine().clusters.resume({ clusterId })).operationId));
  return (
    <>
      <Menu
        trigger={
          <Button size="icon" className="size-8" aria-label={`More on ${cluster.name}`}>
            <EllipsisVertical aria-hidden className="size-4" />
          </Button>
        }
      >
        <MenuItem onClick={() => void showAccess()}>How clients reach it…</MenuItem>
        {cluster.lifecycle === 'incomplete' && <MenuItem onClick={() => void resume()}>Go on provisioning</MenuItem>}
        <MenuItem danger onClick={() => ask({ kind: 'clusterDestroy', clusterId, confirmName: '' })}>
          Destroy the cluster…
        </MenuItem>
      </Menu>
      <AccessDialog
        clusterName={cluster.name}
        access={access}
        failure={failure}
        onClose={() => {
          setAccess(null);
          setFailure(null);
        }}
      />
    </>
  );
}
