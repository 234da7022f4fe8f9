/** What each action is called, and how it is named on its target. */
import type { Action, ClusterView } from '../../electron/contract/model.ts';

export interface ActionWords {
  readonly title: string;
  /** The verb on the button. */
  readonly run: string;
  /** The immutable id that it acts on. */
  readonly targetId: string;
  readonly look: 'primary' | 'dangerSolid' | 'faultSolid';
}

export function wordsOf(action: Action, cluster: ClusterView | null): ActionWords {
  const node = (nodeId: string) => cluster?.nodes.find((each) => each.nodeId === nodeId)?.name ?? nodeId;
  const name = cluster?.name ?? action.clusterId;
  switch (action.kind) {
    case 'nodeStart':
      return { title: `Start ${node(action.nodeId)}`, run: 'Start', targetId: action.nodeId, look: 'primary' };
    case 'nodeStop':
      return { title: `Stop ${node(action.nodeId)}`, run: 'Stop', targetId: action.nodeId, look: 'dangerSolid' };
    case 'nodeRestart':
      return { title: `Restart ${node(action.nodeId)}`, run: 'Restart', targetId: action.nodeId, look: 'dangerSolid' };
    case 'nodeKill':
      return {
        title: `Kill ${node(action.nodeId)} with SIGKILL`,
        run: 'Kill',
        targetId: action.nodeId,
        look: 'dangerSolid',
      };
    case 'failover':
      return {
        title: `Make ${node(action.target)} the leader`,
        run: 'Move leader',
        targetId: action.target,
        look: 'primary',
      };
    case 'partition':
      return { title: `Partition ${name}`, run: 'Inject', targetId: action.clusterId, look: 'faultSolid' };
    case 'heal':
      return { title: 'Heal this fault', run: 'Heal', targetId: action.faultId, look: 'primary' };
    case 'healAll':
      return {
        title: `Heal everything on ${name}`,
        run: 'Heal everything',
        targetId: action.clusterId,
        look: 'primary',
      };
    case 'clusterDestroy':
      return { title: `Destroy ${name} and its data`, run: 'Destroy', targetId: action.clusterId, look: 'dangerSolid' };
  }
}
