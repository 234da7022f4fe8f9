import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { FleetStore } from '../../engine/fleet/store.ts';
import { labDown } from '../../engine/lab/lab.ts';
import { labRootFor } from '../../engine/lab/lab-place.ts';
import { type ResidueScope, settledResidue } from '../../engine/lab/residue.ts';
import { labScope } from '../../engine/provision/lab-scope.ts';
import {
  distDir,
  failureIn,
  describeFailure,
  type GlobalOptions,
  localClient,
  note,
  openEngine,
  UsageError,
} from '../context.ts';
import { DemoCluster } from '../demo/endpoints.ts';
import { exercise } from '../demo/exercise.ts';
import { abandonedPlaces, type DemoPlace, makePlace, removePlace } from '../demo/place.ts';
import { follow } from '../follow.ts';
import { describeAccess } from './cluster.ts';
import { openAppWindow, startElectron } from '../open-window.ts';
import type { EngineClient } from '../../serve/engine-socket.ts';
import { interrupted, runConsole } from './serve.ts';
import { wholeNumber } from './lab.ts';

interface DemoOptions {
  readonly nodes: number;
  readonly headless?: boolean;
  readonly once?: boolean;
  readonly json?: boolean;
}

/** `synod demo`: hosts on this computer, a cluster on them, and the console on it; all of it gone again at the end. */
export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('a Paxos cluster on three SSH hosts on this computer, and the console on it')
    .option('--nodes <n>', 'hosts and nodes', wholeNumber(1, 9), 3)
    .option('--headless', 'no window: print the address of the console')
    .option('--once', 'exercise failover, kill and partition, check every write, tear down and end')
    .option('--json', 'one JSON object on stdout')
    .action(async (given: DemoOptions) => {
      const options = { ...given, json: given.json ?? program.opts<GlobalOptions>().json ?? false };
      if (options.once && options.nodes < 3)
        throw new UsageError('--once needs at least 3 nodes: with fewer, no node may fail without stopping writes');
      await cleanUpAfterOthers();
      const place = await makePlace();
      const opened = new Opened();
      const result = await runDemo(place, options, opened);
      // Nothing may be provisioning any more when the hosts go away.
      await opened.close();
      const residue = await tearDown(place);
      if (options.once) printOnce(options, { ...result, ok: result.ok && residue.length === 0, residue });
      // What an interruption cut off may still wait for answers that will not come.
      process.exit(result.ok && residue.length === 0 ? 0 : 1);
    });
}

type Outcome = { readonly ok: boolean } & Record<string, unknown>;

/** What the demo holds open; closed once, by whoever comes first: its regular end or an interruption. */
class Opened {
  #closers: (() => unknown)[] = [];

  hold(close: () => unknown): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).toReversed()) await close();
  }
}

/** Never throws: whatever goes wrong, what was started is torn down afterwards. */
async function runDemo(place: DemoPlace, options: DemoOptions, opened: Opened): Promise<Outcome> {
  try {
    return await Promise.race([
      options.once ? runOnce(place, options, opened) : runUntilInterrupted(place, options, opened),
      stopped(options),
    ]);
  } catch (error) {
    const failure = failureIn(error);
    note(`synod: ${describeFailure(failure)}`);
    const outcome = { ok: false, error: failure };
    if (!options.once && options.json) process.stdout.write(`${JSON.stringify(outcome)}\n`);
    return outcome;
  }
}

/** The first Ctrl-C ends the demo in order, whatever it is doing. */
async function stopped(options: DemoOptions): Promise<Outcome> {
  const signal = await interrupted();
  note(`${signal}: stopping what this demo started.`);
  // An exercise that was cut short has shown nothing.
  return { ok: options.once !== true, interrupted: signal };
}

async function provision(client: EngineClient, nodes: number): Promise<number> {
  note(`Starting ${nodes} SSH hosts on this computer and provisioning a ${nodes}-node cluster onto them.`);
  const startedAtMs = performance.now();
  await follow(client, (await client.lab.tryIt({ nodes })).operationId);
  return Math.ceil(performance.now() - startedAtMs);
}

async function describeFleet(client: EngineClient) {
  const fleet = await client.fleet.get();
  return {
    hosts: fleet.hosts.map((host) => ({ name: host.name, address: host.address, port: host.port, user: host.user })),
    nodes: fleet.clusters.flatMap((cluster) =>
      cluster.nodes.map((node) => ({
        name: node.name,
        nodeId: node.nodeId,
        host: fleet.hosts.find((host) => host.hostId === node.hostId)?.name ?? node.hostId,
        endpoint: `${node.address}:${node.clientPort}`,
      })),
    ),
  };
}

async function runOnce(place: DemoPlace, options: DemoOptions, opened: Opened): Promise<Outcome> {
  const engine = await openEngine(place.stateDir);
  opened.hold(() => engine.close());
  const client = localClient(engine);
  const provisionMs = await provision(client, options.nodes);
  const fleet = await describeFleet(client);
  const result = await exercise(client);
  return { ok: result.writesAcknowledged > 0 && result.writesLost === 0, ...fleet, provisionMs, ...result };
}

async function runUntilInterrupted(place: DemoPlace, options: DemoOptions, opened: Opened): Promise<Outcome> {
  const console = await runConsole(place.stateDir, 0);
  opened.hold(() => console.close());
  const client = localClient(console.engine);
  const provisionMs = await provision(client, options.nodes);
  const cluster = await DemoCluster.connect(client);
  const endpoints = cluster.nodes.map((node) => node.endpoint);
  cluster.close();
  const url = console.server.newUrl();
  const fleet = await describeFleet(client);
  if (options.json)
    process.stdout.write(`${JSON.stringify({ ok: true, url, endpoints, tls: cluster.tls, ...fleet, provisionMs })}\n`);
  else sayHowToUse(endpoints, cluster.tls);
  await (options.headless ? showAddress(url, options) : showWindow(place, opened, url, options));
  return { ok: true };
}

function sayHowToUse(endpoints: readonly string[], tls: { ca: string; cert: string; key: string } | null): void {
  note(`The cluster serves etcd clients at ${endpoints.join(', ')}:`);
  note(`  ${describeAccess({ endpoints, tls })}`);
}

const HOW_IT_ENDS = 'Ctrl-C stops the demo and removes everything it made.';

/** Until Ctrl-C. */
async function showAddress(url: string, options: DemoOptions): Promise<void> {
  if (!options.json) process.stdout.write(`${url}\n`);
  note(`Open the console's address in a browser; it is good for one opening. ${HOW_IT_ENDS}`);
  await interrupted();
}

/** Until the window is closed. Electron has an engine of its own, so the one here ends first; a browser speaks to this one. */
async function showWindow(place: DemoPlace, opened: Opened, url: string, options: DemoOptions): Promise<void> {
  if (existsSync(join(distDir, '../node_modules/electron/path.txt'))) {
    await opened.close();
    const electron = await startElectron(place.stateDir, distDir);
    if (electron === null) throw new Error('Electron could not be started: there is no display.');
    await electron.exited;
    return;
  }
  const window = await openAppWindow(url);
  if (!window.opened) {
    note(window.reason);
    return showAddress(url, options);
  }
  note('The console is open. Closing its window, or Ctrl-C, stops the demo and removes everything it made.');
  opened.hold(() => window.close());
  await window.closed;
}

/** Stops the hosts with everything that runs on them, deletes the demo's folder, and looks for what is left. */
async function tearDown(place: DemoPlace): Promise<readonly unknown[]> {
  const labRoot = labRootFor(place.stateDir);
  const scope = await whereItListened(place, labRoot);
  try {
    if (existsSync(labRoot)) await labDown(labRoot);
  } catch (error) {
    note(`synod: ${describeFailure(failureIn(error))}`);
  }
  removePlace(place);
  const residue = await settledResidue(labRoot, scope);
  const left = existsSync(place.root) ? [...residue, { kind: 'folder', what: place.root }] : residue;
  note(left.length === 0 ? 'Stopped; nothing is left behind.' : `Left behind: ${JSON.stringify(left)}`);
  return left;
}

/** Read while it is still written down; a demo that was killed early may have nothing of it. */
async function whereItListened(place: DemoPlace, labRoot: string): Promise<ResidueScope> {
  const path = join(place.stateDir, 'fleet.db');
  if (!existsSync(path)) return { hosts: [], ports: [] };
  try {
    const store = new FleetStore({ path, clock: Date.now });
    return await labScope(labRoot, store).finally(() => store.close());
  } catch (error) {
    note(`synod: where the demo listened is not known: ${describeFailure(failureIn(error))}`);
    return { hosts: [], ports: [] };
  }
}

async function cleanUpAfterOthers(): Promise<void> {
  for (const place of await abandonedPlaces()) {
    note(`Cleaning up after an earlier demo that was killed: ${place.root}`);
    await tearDown(place);
  }
}

function printOnce(options: DemoOptions, outcome: Outcome): void {
  if (options.json) process.stdout.write(`${JSON.stringify(outcome)}\n`);
  else process.stdout.write(`${JSON.stringify(outcome, null, 2)}\n`);
}
