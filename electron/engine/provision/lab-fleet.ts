/**
 * "Try it on this computer": the lab's hosts as part of the fleet. Up, a cluster on them, and down to nothing, each as one
 * operation. The lab makes its hosts' keys itself, so its own known_hosts file is trusted for them and for nothing else.
 */
import { existsSync } from 'node:fs';
import type { z } from 'zod';
import type { labStatusSchema } from '../../contract/contract.ts';
import type { Operation } from '../../contract/model.ts';
import type { Agents } from '../agents/agents.ts';
import type { Hosts } from '../fleet/hosts.ts';
import type { StoredHost } from '../fleet/records.ts';
import type { FleetStore } from '../fleet/store.ts';
import { type LabStatus, labDown, labStatus, labUp } from '../lab/lab.ts';
import type { LabState } from '../lab/lab-state.ts';
import { labResidue, type ResidueScope, settledResidue } from '../lab/residue.ts';
import { FailureError, failureOf } from '../operations/failure.ts';
import type { OperationRun, Operations } from '../operations/operations.ts';
import type { EngineResources } from '../resources.ts';
import type { Clusters } from './clusters.ts';
import { placesOf } from './lab-scope.ts';

const WHOLE = { hostId: null, host: null };
const CLUSTER_NAME = 'demo';
const LAB_CLUSTER = { peerPort: null, clientPort: null, place: 'home', dataFolders: {} } as const;

export interface LabFleetOptions {
  /** The lab's folder. */
  readonly root: string;
  readonly resources: EngineResources;
  readonly store: FleetStore;
  readonly hosts: Hosts;
  readonly agents: Agents;
  readonly clusters: Clusters;
  readonly operations: Operations;
}

export class LabFleet {
  readonly #options: LabFleetOptions;

  constructor(options: LabFleetOptions) {
    this.#options = options;
  }

  async status(): Promise<z.infer<typeof labStatusSchema>> {
    const { root, store } = this.#options;
    const { running, state } = await labStatus(root);
    const residue = running ? [] : await labResidue(root, { hosts: state?.hosts ?? [], ports: placesOf(store) });
    return {
      running,
      hosts: (state?.hosts ?? []).map((host) => ({
        name: host.name,
        address: host.address,
        port: host.sshPort,
        running,
        home: host.home,
      })),
      residue: residue.map((left) => `${left.kind} ${left.what}`),
    };
  }

  /** Throws FailureError `busy` while an operation on the lab or on a cluster of it runs. */
  #refuseWhileBusy(): void {
    const { operations, store } = this.#options;
    const ofLab = new Set(store.listClusters().flatMap((one) => (one.origin === 'lab' ? one.clusterId : [])));
    const running = operations
      .running()
      .find((one) => one.kind === 'labUp' || one.kind === 'labDown' || ofLab.has(one.clusterId ?? ''));
    if (!running) return;
    throw new FailureError({
      kind: 'busy',
      message: `The hosts on this computer are being worked on: ${running.title}.`,
      nextStep: 'Wait until that has ended.',
    });
  }

  up(hosts: number): Operation {
    this.#refuseWhileBusy();
    const title = `Start ${hosts} hosts on this computer`;
    return this.#options.operations.begin({ kind: 'labUp', title }, async (run) => {
      const added = await this.#bringUp(hosts, run);
      return `${added.length} hosts run on this computer.`;
    });
  }

  /** Hosts, and a cluster on them; a lab cluster that exists is provisioned again instead of making another. */
  tryIt(nodes: number): Operation {
    this.#refuseWhileBusy();
    const title = `Try it on this computer with ${nodes} ${nodes === 1 ? 'node' : 'nodes'}`;
    return this.#options.operations.begin({ kind: 'labUp', title }, async (run) => {
      const hosts = await this.#bringUp(nodes, run);
      const { clusters, store } = this.#options;
      const existing = store.listClusters().find((one) => one.origin === 'lab' && one.lifecycle !== 'destroying');
      const hostIds = hosts.slice(0, nodes).map((host) => host.hostId);
      const cluster = existing ?? (await clusters.define({ ...LAB_CLUSTER, name: this.#freeName(), hostIds }));
      run.concerns(cluster.clusterId);
      return clusters.provision(cluster.clusterId, run);
    });
  }

  #freeName(): string {
    const taken = new Set(this.#options.store.listClusters().map((cluster) => cluster.name));
    let name = CLUSTER_NAME;
    for (let number = 2; taken.has(name); number++) name = `${CLUSTER_NAME}-${number}`;
    return name;
  }

  async #bringUp(count: number, run: OperationRun): Promise<StoredHost[]> {
    const { root, resources } = this.#options;
    const script = resources.labServerPath;
    if (script === null || !existsSync(script))
      throw new FailureError({
        kind: 'noLab',
        message: 'Hosts on this computer are not offered here: their program is missing.',
        nextStep: 'Add hosts of your own.',
      });
    run.announce([
      { ...WHOLE, step: 'Start hosts' },
      { ...WHOLE, step: 'Add hosts' },
    ]);
    let state: LabState | null = null;
    await run.step({ ...WHOLE, step: 'Start hosts' }, async () => {
      const before = await labStatus(root);
      state = await labUp({ root, hosts: count, server: { execPath: resources.nodeExecutable, script } });
      const isUnchanged = before.running && before.state?.hosts.length === state.hosts.length;
      return { state: isUnchanged ? 'unchanged' : 'succeeded', detail: `${state.hosts.length} SSH servers` };
    });
    const made = state as LabState | null;
    if (made === null) throw new Error('the lab gave no state');
    let hosts: StoredHost[] = [];
    await run.step({ ...WHOLE, step: 'Add hosts' }, async () => {
      hosts = await Promise.all(made.hosts.map((host) => this.#addHost(made, host)));
      return { state: 'succeeded', detail: hosts.map((host) => host.name).join(', ') };
    });
    return hosts;
  }

  /** Adds it, or takes over its new port: a lab that was down may come back on another. */
  async #addHost(lab: LabState, host: LabState['hosts'][number]): Promise<StoredHost> {
    const { store, hosts } = this.#options;
    const known = store.listHosts().find((one) => one.origin === 'lab' && one.name === host.name);
    const address = {
      name: host.name,
      address: host.address,
      port: host.sshPort,
      user: lab.user,
      auth: { kind: 'key' as const, path: lab.clientKeyPath },
    };
    const isSame = known?.port === address.port && known.address === address.address;
    if (known && !isSame) await hosts.move(known.hostId, address);
    const hostId = known?.hostId ?? (await hosts.add(address, 'lab')).hostId;
    if (isSame) await hosts.connection(hostId);
    const { reachability } = hosts.view(hostId);
    if (reachability.failure) throw new FailureError(reachability.failure);
    return hosts.get(hostId);
  }

  down(): Operation {
    this.#refuseWhileBusy();
    const title = 'Remove the hosts on this computer';
    return this.#options.operations.begin({ kind: 'labDown', title }, (run) => this.#takeDown(run));
  }

  async #takeDown(run: OperationRun): Promise<string> {
    const { root, store } = this.#options;
    const labHosts = store.listHosts().filter((host) => host.origin === 'lab');
    const before = await this.#statusBeforeDown();
    const scope: ResidueScope = { hosts: before.state?.hosts ?? [], ports: placesOf(store) };
    if (before.running) await this.#destroyClusters(labHosts, run);
    await run.step({ ...WHOLE, step: 'Remove hosts' }, async () => {
      await Promise.all(labHosts.map((host) => this.#options.agents.detach(host.hostId)));
      const { processesEnded } = await labDown(root);
      await this.#forget(labHosts);
      return { state: 'succeeded', detail: `${processesEnded} processes ended` };
    });
    await run.step({ ...WHOLE, step: 'Look again' }, async () => {
      const residue = await settledResidue(root, scope, run.signal);
      if (residue.length === 0) return { state: 'succeeded', detail: 'nothing is left' };
      throw new FailureError({
        kind: 'residue',
        message: `Still on this computer: ${residue.map((left) => `${left.kind} ${left.what}`).join('; ')}.`,
        nextStep: 'Run it again; what stays then is to be removed by hand.',
      });
    });
    return 'The hosts on this computer are gone, with everything on them.';
  }

  /** Taking down needs no more than the lab's folder: a damaged lab.json must not be in its way. */
  async #statusBeforeDown(): Promise<Pick<LabStatus, 'running' | 'state'>> {
    try {
      return await labStatus(this.#options.root);
    } catch (error) {
      if (failureOf(error).kind !== 'labUnreadable') throw error;
      return { running: false, state: null };
    }
  }

  /** As on any host: what cannot be done here is done by removing the hosts themselves. */
  async #destroyClusters(labHosts: readonly StoredHost[], run: OperationRun): Promise<void> {
    const { store, clusters } = this.#options;
    const ids = new Set(labHosts.flatMap((host) => store.listMembersOnHost(host.hostId).map((one) => one.clusterId)));
    for (const clusterId of ids) {
      const { name } = clusters.get(clusterId);
      await run.step({ ...WHOLE, step: `Destroy ${name}` }, async () => {
        try {
          return { state: 'succeeded', detail: await clusters.destroyAll(clusterId, run) };
        } catch (error) {
          run.signal.throwIfAborted();
          return { state: 'unknown', detail: failureOf(error).message };
        }
      });
    }
  }

  /** The hosts, and clusters of which no member is left elsewhere. */
  async #forget(labHosts: readonly StoredHost[]): Promise<void> {
    const { store, hosts, clusters } = this.#options;
    for (const host of labHosts) {
      for (const member of store.listMembersOnHost(host.hostId)) {
        store.removeMember(member.nodeId);
        if (store.listMembers(member.clusterId).length > 0) continue;
        store.removeCluster(member.clusterId);
        await clusters.keysOf(member.clusterId).remove();
      }
      await hosts.remove(host.hostId);
    }
  }
}
