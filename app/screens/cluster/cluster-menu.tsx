import { EllipsisVertical } from 'lucide-react';
import { useState } from 'react';
import type { ClusterView, Failure } from '../../../electron/contract/model.ts';
import { ask } from '../../actions/requests.ts';
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
  const showAccess = async () => {
    setFailure(null);
    try {
      setAccess(await engine().clusters.access({ clusterId }));
    } catch (error) {
      setFailure(failureOf(error));
    }
  };
  return (
    <>
      <Menu
        trigger={
          <Button size="icon" className="size-8" aria-label={`More on ${cluster.name}`}>
            <EllipsisVertical aria-hidden className="size-4" />
          </Button>
        }
      >
        <MenuItem needsEngine onClick={() => void showAccess()}>
          How clients reach it…
        </MenuItem>
        <MenuItem needsEngine danger onClick={() => ask({ kind: 'clusterDestroy', clusterId, confirmName: '' })}>
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
