/** An engine of its own for a test: state folder, bundles built from the sources as they are, and a client of its contract. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ContractRouterClient } from '@orpc/contract';
import { createRouterClient } from '@orpc/server';
import { build } from 'esbuild';
import { pino } from 'pino';
import type { Contract, FleetSnapshot } from '../../electron/contract/contract.ts';
import type { Operation } from '../../electron/contract/model.ts';
import { createEngine, type Engine, type EngineOptions, type EngineResources } from '../../electron/engine/engine.ts';
import { labDown } from '../../electron/engine/lab/lab.ts';
import { labRootFor } from '../../electron/engine/lab/lab-place.ts';

export type Client = ContractRouterClient<Contract>;

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** A short path: unix sockets of nodes lie below it. */
export function makeStateDir(): string {
  return mkdtempSync(join(tmpdir(), 'sy-'));
}

/** Bundles the node into `outDir` and names everything else as it lies in the checkout. */
export async function buildResources(outDir: string): Promise<EngineResources> {
  mkdirSync(outDir, { recursive: true });
  const nodeBundlePath = join(outDir, 'synod-node.cjs');
  await build({
    absWorkingDir: root,
    entryPoints: ['cluster-node/cli.ts'],
    outfile: nodeBundlePath,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    define: { __SYNOD_VERSION__: '"0.0.0-test"' },
    external: ['*.node'],
    logLevel: 'error',
  });
  const digest = createHash('sha256').update(readFileSync(nodeBundlePath)).digest('hex');
  return {
    runtimeVersion: 'node-test',
    runtimes: { [process.arch]: join(root, `node_modules/node-linux-${process.arch}/bin/node`) },
    runtimePackages: {},
    runtimeCacheDir: join(outDir, 'runtimes'),
    nodeBundlePath,
    nodeBundleVersion: `0.0.0-${digest.slice(0, 12)}`,
    labServerPath: join(root, 'electron/engine/lab/server-main.ts'),
    nodeExecutable: process.execPath,
  };
}

/** A runtime that is a script of a few bytes: for tests that are not about the upload of 120 MB. */
export function withSmallRuntime(resources: EngineResources, outDir: string): EngineResources {
  const runtimePath = join(outDir, 'small-runtime');
  writeFileSync(runtimePath, `#!/bin/sh\nexec '${resources.runtimes[process.arch]}' "$@"\n`, { mode: 0o755 });
  return { ...resources, runtimes: { [process.arch]: runtimePath }, runtimeVersion: 'small-test' };
}

export interface EngineUnderTest {
  readonly engine: Engine;
  readonly client: Client;
}

/** `options`: what the engine is given besides. */
export async function startEngine(
  stateDir: string,
  resources: EngineResources,
  options: Partial<EngineOptions> = {},
): Promise<EngineUnderTest> {
  const log = pino({ level: process.env['SYNOD_TEST_LOG'] ?? 'silent' });
  const engine = await createEngine({ stateDir, resources, log, ...options });
  return { engine, client: createRouterClient(engine.router, { context: {} }) };
}

/** Waits for the operation's end; throws with its failure where it did not succeed. */
export async function succeeded(client: Client, operationId: string): Promise<Operation> {
  const operation = await ended(client, operationId);
  if (operation.state !== 'succeeded') throw new Error(JSON.stringify(operation.failure ?? operation, null, 1));
  return operation;
}

export async function ended(client: Client, operationId: string): Promise<Operation> {
  let last: Operation | null = null;
  for await (const operation of await client.operations.watch({ operationId })) last = operation;
  if (last === null) throw new Error('the operation was never shown');
  return last;
}

/** The first snapshot in which it holds, within ten seconds. */
export async function snapshotWhere(client: Client, holds: (fleet: FleetSnapshot) => boolean): Promise<FleetSnapshot> {
  const signal = AbortSignal.timeout(10_000);
  for await (const fleet of await client.fleet.watch(undefined, { signal })) if (holds(fleet)) return fleet;
  throw new Error('it did not come to that within 10 s');
}

/** Takes down whatever a test left. */
export async function cleanUp(stateDir: string): Promise<void> {
  await labDown(labRootFor(stateDir));
  rmSync(stateDir, { recursive: true, force: true });
}
