import { ChevronDown, Crown } from 'lucide-react';
import type { ClusterView } from '../../../electron/contract/model.ts';
import { ask } from '../../actions/requests.ts';
import { Button } from '../../ui/button.tsx';
import { NodeCondition } from '../../ui/condition.tsx';
import { Menu, MenuItem } from '../../ui/menu.tsx';
import { Swatch } from '../../ui/swatch.tsx';

export function MoveLeaderMenu({ cluster }: { cluster: ClusterView }) {
  return (
    <Menu
      trigger={
        <Button needsEngine>
          <Crown aria-hidden className="size-4" /> Move leader{' '}
          <ChevronDown aria-hidden className="size-3.5 text-faint" />
        </Button>
      }
    >
      {cluster.nodes.map((node) => (
        <MenuItem
          needsEngine
          key={node.nodeId}
          disabled={node.condition !== 'follower' || node.standing !== 'voter'}
          onClick={() => ask({ kind: 'failover', clusterId: cluster.clusterId, target: node.nodeId })}
        >
          <Swatch memberSlot={node.memberSlot} />
          {node.name}
          <NodeCondition condition={node.condition} className="ml-auto pl-4 text-xs" />
        </MenuItem>
      ))}
    </Menu>
  );
}
