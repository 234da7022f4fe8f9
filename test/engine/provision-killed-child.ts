/**
 * An engine that is meant to be killed: provisions a cluster on the lab's hosts and tells each step on stdout as it begins.
 * Arguments: state folder, resources as JSON, cluster id to resume or "" to begin.
 */
import type { EngineResources } from '../../electron/engine/engine.ts';
import { startEngine } from './engine-under-test.ts';

const [stateDir = '', resources = '', clusterId = ''] = process.argv.slice(2);
const { client } = await startEngine(stateDir, JSON.parse(resources) as EngineResources);
const { operationId } =
  clusterId === '' ? await client.lab.tryIt({ nodes: 3 }) : await client.clusters.resume({ clusterId });
const told = new Set<string>();
for await (const operation of await client.operations.watch({ operationId }))
  for (const step of operation.steps)
    if (step.state !== 'pending' && !told.has(step.step)) {
      told.add(step.step);
      process.stdout.write(`begun ${step.step}\n`);
    }
const { state, failure } = await client.operations.get({ operationId });
process.stdout.write(`ended ${state} ${JSON.stringify(failure)}\n`);
