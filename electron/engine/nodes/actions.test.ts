/** What stands in the way of what, while an operation is under way. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Action, Operation } from '../../contract/model.ts';
import type { FaultPort } from '../faults/apply/fault-port.ts';
import { between } from '../faults/plan/partitions.ts';
import { NOW, nodeIdOf, situationExample } from '../fleet/plan/situation-example.ts';
import { FleetStore } from '../fleet/store.ts';
import { Operations } from '../operations/operations.ts';
import { Actions } from './actions.ts';
import type { NodePort } from './node-port.ts';

const clusterId = 'c-00000001';
const nodeId = nodeIdOf(2);
const healing: Action[] = [
  { kind: 'heal', clusterId, faultId: 'f-00000001' },
  { kind: 'healAll', clusterId },
];
const others: Action[] = [
  { kind: 'nodeStop', clusterId, nodeId },
  { kind: 'nodeRestart', clusterId, nodeId },
  { kind: 'nodeKill', clusterId, nodeId },
  { kind: 'failover', clusterId, target: nodeId },
  { kind: 'partition', clusterId, links: between([[1, 2], [3]]), ttlMs: 30_000 },
  { kind: 'clusterDestroy', clusterId, confirmName: 'orders' },
];

describe('while an operation is under way', () => {
  let dir: string;
  let store: FleetStore;
  let operations: Operations;
  let origin: 'operator' | 'lab';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'synod-actions-'));
    store = new FleetStore({ path: join(dir, 'fleet.db'), clock: () => NOW });
    operations = new Operations({ store, log: pino({ level: 'silent' }), clock: () => NOW });
    origin = 'operator';
  });
  afterEach(async () => {
    await operations.close();
    store.close();
    rmSync(dir, { recursive: true });
  });

  const refused = (action: Action) => {
    const example = situationExample({ voters: 3 });
    const situation = () => ({ ...example, cluster: { ...example.cluster, origin } });
    const faults = { situation } as unknown as FaultPort;
    const never = () => {
      throw new Error('nothing is run here');
    };
    const actions = new Actions({ operations, faults, nodes: {} as NodePort, destroyCluster: never });
    return actions.preview(action).refusals.some((reason) => reason.includes('is still running'));
  };
  const begin = (kind: Operation['kind'], about: { clusterId?: string; nodeId?: string } = { clusterId }) =>
    operations.begin({ kind, title: 'Something', ...about }, async (run) => {
      await new Promise((_, reject) => run.signal.addEventListener('abort', () => reject(run.signal.reason)));
      return '';
    });

  it.each<Operation['kind']>(['clusterCreate', 'clusterDestroy', 'labUp'])('%s: only healing goes on', (kind) => {
    begin(kind);
    expect(others.map(refused)).toEqual(others.map(() => true));
    expect(healing.map(refused)).toEqual([false, false]);
  });

  it('labDown: on a cluster of the lab only healing goes on', () => {
    begin('labDown', {});
    expect(others.map(refused)).toEqual(others.map(() => false));
    origin = 'lab';
    expect(others.map(refused)).toEqual(others.map(() => true));
    expect(healing.map(refused)).toEqual([false, false]);
  });

  it('work on one node is in the way of work on that node, and a kill of none', () => {
    begin('nodeRestart', { clusterId, nodeId });
    expect(others.slice(0, 5).map(refused)).toEqual([true, true, false, false, false]);
    expect(refused({ kind: 'nodeStop', clusterId, nodeId: nodeIdOf(3) })).toBe(false);
  });

  it('another cluster’s work is in nobody’s way', () => {
    begin('clusterDestroy', { clusterId: 'c-00000009' });
    expect(others.map(refused)).toEqual(others.map(() => false));
  });
});
