/**
 * An engine that is meant to be killed: works on the cluster of its state folder and tells each step on stdout as it begins.
 * Arguments: state folder, resources as JSON, and what to do: `tryIt`, `apply NAME`, `restart NAME`, `destroy NAME`, `rotate NAME`,
 * `restore NAME FILE` or `members NAME CHANGE` with the change as JSON.
 */
import { membersChangeSchema } from '../../electron/contract/members.ts';
import type { EngineResources } from '../../electron/engine/engine.ts';
import { type Client, startEngine } from './engine-under-test.ts';

async function begin(client: Client, [what = '', name = '', path = '']: string[]): Promise<string> {
  if (what === 'tryIt') return (await client.lab.tryIt({ nodes: 3 })).operationId;
  if (what === 'apply') return (await client.clusters.apply({ name, plan: null, why: 'killed' })).operationId;
  if (what === 'restore') {
    const hostIds = (await client.fleet.get()).hosts.map((host) => host.hostId);
    return (await client.backups.restore({ path, name, hostIds, peerPort: null, clientPort: null })).operationId;
  }
  const cluster = (await client.fleet.get()).clusters.find((one) => one.name === name);
  const clusterId = cluster?.clusterId ?? '';
  if (what === 'members') {
    const change = membersChangeSchema.parse(JSON.parse(path));
    return (await client.clusters.changeMembers({ change, acceptOutage: false, why: 'killed' })).operationId;
  }
  if (what === 'rotate')
    return (await client.clusters.rotateCertificates({ clusterId, authority: true, hold: false, why: 'killed' }))
      .operationId;
  if (what === 'restart') return (await client.clusters.restart({ clusterId, why: 'killed' })).operationId;
  if (cluster?.lifecycle === 'destroying') return (await client.clusters.resume({ clusterId })).operationId;
  return (await client.actions.run({ kind: 'clusterDestroy', clusterId, confirmName: name })).operationId;
}

const [stateDir = '', resources = '', ...asked] = process.argv.slice(2);
const lockSeconds = process.env['SYNOD_TEST_LOCK_SECONDS'];
const { client, engine } = await startEngine(
  stateDir,
  JSON.parse(resources) as EngineResources,
  lockSeconds === undefined ? {} : { lockSeconds: Number(lockSeconds) },
);
const operationId = await begin(client, asked);
process.stdout.write('begun\n');
const told = new Set<string>();
for await (const operation of await client.operations.watch({ operationId }))
  for (const step of operation.steps)
    if (step.state !== 'pending' && !told.has(step.step)) {
      told.add(step.step);
      process.stdout.write(`begun ${step.step}\n`);
    }
const { state, failure } = await client.operations.get({ operationId });
process.stdout.write(`ended ${state} ${JSON.stringify(failure)}\n`);
await engine.close();
