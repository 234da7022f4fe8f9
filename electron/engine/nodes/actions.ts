/**
 * Everything an operator can do to a cluster, in one place: its consequence is told, told again at the moment of execution,
 * refused with the reason or begun as an operation that is followed to its end.
 */
import type { Action, Consequence, Operation } from '../../contract/model.ts';
import type { FaultPort } from '../faults/apply/fault-port.ts';
import { healEverything, healFault } from '../faults/apply/heal.ts';
import { injectPartition } from '../faults/apply/inject.ts';
import { newId } from '../fleet/ids.ts';
import { alreadyThere } from '../fleet/plan/already.ts';
import { consequenceOf } from '../fleet/plan/consequence.ts';
import { pictureOf } from '../fleet/plan/picture.ts';
import type { Situation } from '../fleet/plan/situation.ts';
import { FailureError } from '../operations/failure.ts';
import type { OperationBody, OperationSpec, Operations } from '../operations/operations.ts';
import { runFailover } from './failover.ts';
import type { NodePort } from './node-port.ts';
import { runServiceAction } from './service-operations.ts';

export interface ActionsOptions {
  readonly operations: Operations;
  readonly nodes: NodePort;
  readonly faults: FaultPort;
  /** Begins the destruction of a cluster: the work of provisioning. */
  readonly destroyCluster: (action: Extract<Action, { kind: 'clusterDestroy' }>) => Operation;
}

export class Actions {
  readonly #options: ActionsOptions;

  constructor(options: ActionsOptions) {
    this.#options = options;
  }

  /** Throws FailureError `notFound`. */
  preview(action: Action): Consequence {
    const situation = this.#options.faults.situation(action.clusterId);
    const consequence = consequenceOf(situation, action);
    return { ...consequence, refusals: [...consequence.refusals, ...this.#inTheWay(action, situation)] };
  }

  /** What is there already succeeds at once. Throws FailureError `refused` with the reasons, or `notFound`. */
  run(action: Action): Operation {
    const situation = this.#options.faults.situation(action.clusterId);
    const { refusals } = this.preview(action);
    if (refusals.length > 0)
      throw new FailureError({
        kind: 'refused',
        message: refusals.join(' '),
        nextStep: 'Nothing was changed. Look at what the cluster says now and choose again.',
      });
    if (action.kind === 'clusterDestroy') return this.#options.destroyCluster(action);
    const nodeId = 'nodeId' in action ? action.nodeId : action.kind === 'failover' ? action.target : null;
    const spec = {
      kind: operationKind(action),
      title: titleOf(situation, action),
      clusterId: action.clusterId,
      nodeId,
    };
    const already = alreadyThere(pictureOf(situation), action);
    return this.#options.operations.begin(spec, already === null ? this.#bodyOf(action) : async () => already);
  }

  /** Two operations must not pull one node, or the whole cluster, in two directions. Healing is never in the way. */
  #inTheWay(action: Action, situation: Situation): string[] {
    if (action.kind === 'heal' || action.kind === 'healAll') return [];
    const ofLab = situation.cluster.origin === 'lab';
    const other = this.#options.operations.running().find((one) => {
      if (one.kind === 'labDown') return ofLab;
      if (one.clusterId !== action.clusterId) return false;
      return makesOrRemoves.has(one.kind) || isSameWork(action, one);
    });
    return other ? [`"${other.title}" is still running; wait for its end.`] : [];
  }

  #bodyOf(action: Exclude<Action, { kind: 'clusterDestroy' }>): OperationBody {
    const { nodes, faults } = this.#options;
    switch (action.kind) {
      case 'nodeStart':
      case 'nodeStop':
      case 'nodeRestart':
      case 'nodeKill':
        return (run) => runServiceAction(nodes, run, action);
      case 'failover':
        return (run) => runFailover(nodes, run, action);
      case 'partition':
        return (run) => injectPartition(faults, run, { ...action, faultId: newId('f') });
      case 'heal':
        return (run) => healFault(faults, run, action);
      case 'healAll':
        return (run) => healEverything(faults, run, action);
    }
  }
}

/** The whole cluster is being worked on, whatever else is asked for. */
const makesOrRemoves: ReadonlySet<string> = new Set<Operation['kind']>([
  'clusterCreate',
  'clusterDestroy',
  'membersChange',
  'labUp',
]);

function isSameWork(action: Action, running: Operation): boolean {
  if (action.kind === 'failover') return running.kind === 'failover';
  const nodeId = isServiceAction(action.kind) && 'nodeId' in action ? action.nodeId : null;
  return nodeId !== null && nodeId === running.nodeId && isServiceAction(running.kind);
}

/** A second kill is no contradiction of the first. */
function isServiceAction(kind: string): boolean {
  return kind === 'nodeStart' || kind === 'nodeStop' || kind === 'nodeRestart';
}

function operationKind(action: Exclude<Action, { kind: 'clusterDestroy' }>): OperationSpec['kind'] {
  switch (action.kind) {
    case 'partition':
      return 'faultInject';
    case 'heal':
    case 'healAll':
      return 'faultHeal';
    default:
      return action.kind;
  }
}

function titleOf(situation: Situation, action: Exclude<Action, { kind: 'clusterDestroy' }>): string {
  const nameOf = (nodeId: string) => situation.members.find((member) => member.nodeId === nodeId)?.name ?? nodeId;
  switch (action.kind) {
    case 'nodeStart':
      return `Start ${nameOf(action.nodeId)}`;
    case 'nodeStop':
      return `Stop ${nameOf(action.nodeId)}`;
    case 'nodeRestart':
      return `Restart ${nameOf(action.nodeId)}`;
    case 'nodeKill':
      return `Kill ${nameOf(action.nodeId)}`;
    case 'failover':
      return `Move leadership to ${nameOf(action.target)}`;
    case 'partition':
      return `Cut ${action.links.length} ${action.links.length === 1 ? 'link' : 'links'}`;
    case 'heal':
      return `Heal ${situation.faults.find((fault) => fault.faultId === action.faultId)?.title ?? action.faultId}`;
    case 'healAll':
      return 'Heal everything';
  }
}
