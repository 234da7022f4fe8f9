/**
 * The engine: the control plane of Synod, plain Node. It owns one state folder, keeps the desired fleet there, talks to the
 * hosts over SSH, and answers the contract's calls. Shells (desktop, serve, CLI) create one and hand its router to their
 * transport. Closing it leaves every node running.
 *
 * This file only puts the parts together; each says in its own first lines what it is for.
 */
import type { Logger } from 'pino';
import type { AgentTarget } from './agents/agent-session.ts';
import { Agents } from './agents/agents.ts';
import { FaultLedger } from './faults/ledger.ts';
import { Hosts } from './fleet/hosts.ts';
import { Privileges } from './fleet/privileges.ts';
import { LiveFleet } from './fleet/live-fleet.ts';
import { pictureOf } from './fleet/plan/picture.ts';
import { openStateFolder, type StateFolder } from './fleet/state-folder.ts';
import { FleetStore } from './fleet/store.ts';
import { labRootFor } from './lab/lab-place.ts';
import { labLayout } from './lab/lab-state.ts';
import { Backups } from './backup/backups.ts';
import { Seeds } from './backup/seeds.ts';
import { Actions } from './nodes/actions.ts';
import { Operations } from './operations/operations.ts';
import { Runtimes } from './provision/apply/runtimes.ts';
import { Shipping } from './provision/apply/shipped-files.ts';
import { CertificateDates } from './provision/certificate-dates.ts';
import { Clusters } from './provision/clusters.ts';
import { LabFleet } from './provision/lab-fleet.ts';
import { LOCK_SECONDS } from './provision/shared/shared-truth.ts';
import type { EngineResources } from './resources.ts';
import { createRouter, type EngineRouter } from './router.ts';
import { Prompts } from './prompts.ts';
import { memorySecretStore, type SecretStore } from './secrets.ts';
import { type ConfigWorld, realWorld } from './ssh/config/world.ts';
import { elevatedCommand } from './ssh/elevation.ts';
import { History } from './telemetry/history.ts';
import { LeaderChanges } from './telemetry/leader-changes.ts';
import { Observations } from './telemetry/observations.ts';
import { Timeline } from './telemetry/timeline.ts';

export type { EngineResources };

export interface EngineOptions {
  /** Created with mode 0700. One engine per folder. */
  readonly stateDir: string;
  readonly resources: EngineResources;
  readonly log: Logger;
  /** Milliseconds since 1970; default Date.now. */
  readonly clock?: () => number;
  /** Where passwords and passphrases are kept; default: in memory. */
  readonly secrets?: SecretStore;
  /** For tests: another home and other SSH configuration files. */
  readonly sshWorld?: Partial<ConfigWorld>;
  /** How long an operation's lock on a host holds that is not renewed; default LOCK_SECONDS. */
  readonly lockSeconds?: number;
}

export interface Engine {
  /** The contract, implemented; hand it to an oRPC handler. */
  readonly router: EngineRouter;
  /** Ends connections and running operations. Nodes go on. */
  close(): Promise<void>;
}

const PARTING_MS = 2000;

/** Throws FailureError: `stateFolderInUse`, `stateFolderUnusable`, `storeCorrupt`, `storeTooNew`. */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const clock = options.clock ?? Date.now;
  const folder = openStateFolder(options.stateDir, clock());
  try {
    return compose(options, folder, clock);
  } catch (error) {
    folder.release();
    throw error;
  }
}

function compose(options: EngineOptions, folder: StateFolder, clock: () => number): Engine {
  const { log, resources, lockSeconds = LOCK_SECONDS } = options;
  const labRoot = labRootFor(folder.path);
  const store = new FleetStore({ path: folder.file('fleet.db'), clock });
  const operations = new Operations({ store, log, clock });
  const secrets = options.secrets ?? memorySecretStore();
  const prompts = new Prompts();
  const hosts = new Hosts({
    store,
    prompts,
    world: realWorld(options.sshWorld),
    secrets,
    knownHostsPath: folder.file('known_hosts'),
    labKnownHostsPath: labLayout(labRoot).knownHosts,
    nodePath: resources.nodeExecutable,
    log,
    clock,
  });
  const privileges = new Privileges({ hosts, secrets });
  const agents = new Agents({ open: (target, signal) => openAgent({ hosts, privileges }, target, signal), log, clock });
  const observations = new Observations();
  const history = new History();
  const ledger = new FaultLedger({ store, agents, log, clock });
  const leaders = new LeaderChanges(clock);
  const timeline = new Timeline({ store, leaders, clock });
  const clustersDir = folder.file('clusters');
  const shipping = new Shipping({ resources, runtimes: new Runtimes(resources) });
  // Asked only once all parts stand.
  const situation = (clusterId: string) => fleet.situation(clusterId);
  const nodes = { agents, observations, leaders, clock, picture: (id: string) => pictureOf(situation(id)) };
  const dates = new CertificateDates({ clustersDir, clock });
  const seeds = new Seeds({ store, clustersDir });
  const shared = { store, operations, hosts, agents, resources, log, clock };
  const clusters = new Clusters({ ...shared, privileges, shipping, clustersDir, dates, seeds, nodes, lockSeconds });
  const backups = new Backups({ store, operations, clusters, nodes, clock });
  const lab = new LabFleet({ root: labRoot, resources, store, hosts, agents, clusters, operations });
  const engineVersion = resources.nodeBundleVersion;
  const fleet = new LiveFleet({
    store,
    hosts,
    agents,
    operations,
    observations,
    history,
    ledger,
    leaders,
    timeline,
    certificatesExpireAt: (clusterId) => dates.expireAtUnixMs(clusterId),
    engineVersion,
    log,
    clock,
  });
  const actions = new Actions({
    operations,
    faults: { agents, ledger, observations, clock, situation },
    nodes,
    destroyCluster: ({ clusterId, confirmName }) => clusters.destroy(clusterId, confirmName),
  });
  const router = createRouter({
    store,
    hosts,
    privileges,
    agents,
    operations,
    clusters,
    backups,
    fleet,
    history,
    lab,
    actions,
    prompts,
  });
  fleet.start();
  return {
    router,
    close: async () => {
      // What runs is aborted; closing its connections ends the calls that it waits for.
      const ended = operations.close();
      fleet.stop();
      prompts.close();
      await agents.close();
      // Long enough to release locks on hosts; what waits for a connection is ended with it.
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, PARTING_MS).unref())]);
      hosts.close();
      await ended;
      store.close();
      folder.release();
    },
  };
}

async function openAgent(
  { hosts, privileges }: { hosts: Hosts; privileges: Privileges },
  target: AgentTarget,
  signal: AbortSignal,
) {
  const connection = await hosts.connection(target.hostId, signal);
  if (!target.asRoot) return connection.channel(target.command, { signal });
  const as = elevatedCommand(target.command, await privileges.elevation(target.hostId, signal));
  const channel = await connection.channel(as.command, { signal });
  if (as.prelude !== '') channel.stdin.write(as.prelude);
  return channel;
}
