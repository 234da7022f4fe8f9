import { Crown, Play, RotateCw, ScrollText, Skull, Square } from 'lucide-react';
import type { NodeView } from '../../../../electron/contract/model.ts';
import { ask } from '../../../actions/requests.ts';
import { IconAction } from '../../../ui/icon-action.tsx';

/** Every one of them opens a preview first. What the engine would refuse is said there, with its reason. */
export function NodeActions({ node, clusterId, onLog }: { node: NodeView; clusterId: string; onLog: () => void }) {
  const { nodeId, name } = node;
  const stopped = node.condition === 'stopped' || node.condition === 'failed';
  const request = (kind: 'nodeStart' | 'nodeStop' | 'nodeRestart' | 'nodeKill') => () =>
    ask({ kind, clusterId, nodeId });
  return (
    <div className="flex justify-end">
      <IconAction
        needsEngine
        label={`Make ${name} the leader`}
        disabled={node.condition !== 'follower'}
        testId={`action-failover-${name}`}
        onClick={() => ask({ kind: 'failover', clusterId, target: nodeId })}
      >
        <Crown aria-hidden className="size-4" />
      </IconAction>
      {stopped ? (
        <IconAction needsEngine label={`Start ${name}`} testId={`action-start-${name}`} onClick={request('nodeStart')}>
          <Play aria-hidden className="size-4" />
        </IconAction>
      ) : (
        <IconAction needsEngine label={`Stop ${name}`} testId={`action-stop-${name}`} onClick={request('nodeStop')}>
          <Square aria-hidden className="size-4" />
        </IconAction>
      )}
      <IconAction
        needsEngine
        label={`Restart ${name}`}
        testId={`action-restart-${name}`}
        onClick={request('nodeRestart')}
      >
        <RotateCw aria-hidden className="size-4" />
      </IconAction>
      <IconAction
        needsEngine
        label={`Kill ${name} with SIGKILL`}
        disabled={stopped}
        testId={`action-kill-${name}`}
        onClick={request('nodeKill')}
      >
        <Skull aria-hidden className="size-4" />
      </IconAction>
      <IconAction needsEngine label={`Log of ${name}`} testId={`action-log-${name}`} onClick={onLog}>
        <ScrollText aria-hidden className="size-4" />
      </IconAction>
    </div>
  );
}
