import { expect, it } from 'vitest';
import { dataDirOn, hostPlace } from '../../../../cluster-node/contract/host-layout.ts';
import { type UnitInput, unitOf } from './unit.ts';

const nodeId = 'n-aaaaaaaa';

function systemNode(change: Partial<UnitInput> = {}): UnitInput {
  const place = hostPlace('system').node(nodeId);
  const names = { nodeId, nodeName: 'node-1', clusterName: 'orders' };
  return { ...names, place, dataDir: place.dataDir, peerPort: 2380, clientPort: 2379, ...change };
}

/** Every value of a setting, in order. */
function settings(text: string, name: string): string[] {
  return text.split('\n').flatMap((line) => (line.startsWith(`${name}=`) ? [line.slice(name.length + 1)] : []));
}

it('starts what the links of the node lead to', () => {
  const dir = `/opt/synod/nodes/${nodeId}`;
  const command = `${dir}/runtime/node ${dir}/release/synod-node.cjs run --config /etc/synod/nodes/${nodeId}/config.json`;
  expect(settings(unitOf(systemNode()), 'ExecStart')).toEqual([command]);
});

it('leaves a node down that says that starting it again cannot help', () => {
  expect(settings(unitOf(systemNode()), 'RestartPreventExitStatus')).toEqual(['2 5 8']);
});

it('lets a node write to its state and its data, and waits for the disk they are on', () => {
  const own = unitOf(systemNode());
  expect(settings(own, 'ReadWritePaths')).toEqual([`/var/lib/synod/${nodeId}`]);
  const chosen = unitOf(systemNode({ dataDir: dataDirOn('/srv/fast disk', nodeId) }));
  const data = `"/srv/fast disk/synod/${nodeId}/data"`;
  expect(settings(chosen, 'ReadWritePaths')).toEqual([`/var/lib/synod/${nodeId} ${data}`]);
  expect(settings(chosen, 'RequiresMountsFor')[0]).toContain(data);
});

it('gives the one capability that low ports need, and only where they are asked for', () => {
  expect(settings(unitOf(systemNode()), 'CapabilityBoundingSet')).toEqual(['']);
  const low = unitOf(systemNode({ clientPort: 379 }));
  expect(settings(low, 'CapabilityBoundingSet')).toEqual(['CAP_NET_BIND_SERVICE']);
  expect(settings(low, 'AmbientCapabilities')).toEqual(['CAP_NET_BIND_SERVICE']);
});

it('names paths so that systemd leaves them as they are', () => {
  const place = hostPlace('home', '/home/50% $off "x"').node(nodeId);
  const [command] = settings(unitOf(systemNode({ place })), 'ExecStart');
  expect(command).toContain(`"/home/50%% $$off \\"x\\"/.synod/nodes/${nodeId}/runtime/node"`);
});
