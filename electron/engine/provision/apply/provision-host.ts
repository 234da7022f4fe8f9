/**
 * Provisioning of one host, step by step. Each step looks first and reports `unchanged` where nothing was to be done, so the
 * whole can be run again after any interruption. Nothing is written before every host has passed `check`.
 */
import { HOST_ROOT, hostLayout, nodeLayout } from '../../../../cluster-node/contract/host-layout.ts';
import type { Agents } from '../../agents/agents.ts';
import { agentCommand } from '../../agents/agents.ts';
import type { Hosts } from '../../fleet/hosts.ts';
import type { StoredCluster, StoredHost, StoredMember } from '../../fleet/records.ts';
import { FailureError } from '../../operations/failure.ts';
import type { OperationRun, StepName, StepReport, StepResult } from '../../operations/operations.ts';
import type { ServicePort } from '../../nodes/node-port.ts';
import { askService, sayService } from '../../nodes/service-operations.ts';
import type { EngineResources } from '../../resources.ts';
import { sh } from '../../ssh/shell-command.ts';
import type { NodeKeys } from '../cluster-keys.ts';
import { NEEDED_FREE_BYTES, overlaps } from '../plan/cluster-plan.ts';
import { type Inspection, inspectScript, obstacleIn, parseInspection } from '../plan/inspection.ts';
import { type NodeFile, nodeFiles } from '../plan/node-files.ts';
import { agentReady } from './agent-ready.ts';
import { parsePut, putFilesScript } from './put-files.ts';
import { releaseFile, runtimeFile, type ShippedFile, type Shipping } from './shipped-files.ts';

/** Room that a node needs beyond the files that are there already. */
const NEEDED_FOR_DATA_BYTES = 64 * 1024 * 1024;

export interface ProvisionParts {
  readonly hosts: Hosts;
  readonly agents: Agents;
  readonly shipping: Shipping;
  readonly resources: EngineResources;
  /** The cluster as it is seen, and its agents. */
  readonly nodes: ServicePort;
}

export interface HostTask {
  readonly cluster: StoredCluster;
  readonly member: StoredMember;
  readonly members: readonly StoredMember[];
  readonly host: StoredHost;
  readonly keys: NodeKeys;
}

export const hostSteps = [
  'Connect',
  'Check host',
  'Runtime',
  'Node program',
  'Certificates',
  'Configuration',
  'Start node',
] as const;
type HostStep = (typeof hostSteps)[number];

export class HostProvisioning {
  readonly #parts: ProvisionParts;
  readonly #task: HostTask;
  readonly #run: OperationRun;
  #inspection: Inspection | null = null;
  #home = '';
  #rewrote = false;

  constructor(parts: ProvisionParts, task: HostTask, run: OperationRun) {
    this.#parts = parts;
    this.#task = task;
    this.#run = run;
  }

  /** Reads only. Throws FailureError. */
  async check(): Promise<void> {
    await this.#step('Connect', async () => {
      await this.#connection();
      return { state: 'succeeded', detail: `${this.#task.host.user}@${this.#task.host.address}` };
    });
    await this.#step('Check host', () => this.#checkHost());
  }

  get member(): StoredMember {
    return this.#task.member;
  }

  /** It runs on files that were replaced since. Known after `put`. */
  get mustRestart(): boolean {
    return this.#inspection?.isRunning === true && this.#rewrote;
  }

  /** Writes; `check` must have passed. Throws FailureError. */
  async put(): Promise<void> {
    const { resources } = this.#parts;
    await this.#step('Runtime', (report) => this.#ship(runtimeFile(resources), report));
    await this.#step('Node program', (report) => this.#ship(releaseFile(resources), report));
    const files = nodeFiles({ ...this.#task, home: this.#home });
    await this.#step('Certificates', () => this.#put(files.certificates, [nodeLayout.tlsDir]));
    await this.#step('Configuration', () =>
      this.#put(files.configuration, [nodeLayout.dataDir, 'log', nodeLayout.runDir]),
    );
  }

  /** Starts or restarts; `put` must have been done. Throws FailureError. */
  async start(): Promise<void> {
    await this.#step('Start node', () => this.#start());
  }

  #step(step: HostStep, action: (report: StepReport) => Promise<StepResult>): Promise<StepResult> {
    return this.#run.step(stepName(this.#task.host, step), action);
  }

  #connection() {
    return this.#parts.hosts.connection(this.#task.host.hostId, this.#run.signal);
  }

  async #checkHost(): Promise<StepResult> {
    const { cluster, member, host } = this.#task;
    const gathered = await this.#parts.hosts.gather(host.hostId, this.#run.signal);
    this.#home = gathered.facts.home;
    const connection = await this.#connection();
    const places = {
      nodeId: member.nodeId,
      runtimeVersion: cluster.runtimeVersion,
      releaseVersion: cluster.releaseVersion,
    };
    const { stdout } = await connection.exec(sh`/bin/sh -s`, {
      stdin: inspectScript(places),
      timeoutMs: 20_000,
      signal: this.#run.signal,
    });
    const seen = parseInspection(stdout);
    this.#inspection = seen;
    const obstacle = obstacleIn(seen, { ...places, clusterId: cluster.clusterId });
    if (obstacle) throw this.#refusal(obstacle);
    this.#checkHome(gathered, seen);
    if (!seen.isRunning) this.#checkPorts(gathered.listeners);
    return { state: 'succeeded', detail: `${gathered.facts.os}, ${gathered.facts.architecture}` };
  }

  #checkHome(gathered: Awaited<ReturnType<Hosts['gather']>>, seen: Inspection): void {
    const { home, homeFreeBytes, user } = gathered.facts;
    if (!gathered.homeWritable)
      throw this.#refusal({
        kind: 'noRights',
        message: `${user} cannot write to ${home}. Nothing was changed.`,
        nextStep: `Give ${user} the right to write there (see \`ls -ld ${home}\` and \`mount\`), or log in as another user.`,
      });
    if (gathered.homeNoexec)
      throw this.#refusal({
        kind: 'noexec',
        message: `Programs may not be run from ${home}: its file system is mounted noexec. Nothing was changed.`,
        nextStep: 'Remount it with exec, or log in as a user whose home is elsewhere.',
      });
    const needed = seen.runtime === 'file' ? NEEDED_FOR_DATA_BYTES : NEEDED_FREE_BYTES;
    if (homeFreeBytes !== null && homeFreeBytes < needed)
      throw this.#refusal({
        kind: 'noSpace',
        message: `${home} has ${mebibytes(homeFreeBytes)} MiB free; ${mebibytes(needed)} are needed. Nothing was changed.`,
        nextStep: 'Free space on that file system (`df -h` shows it), then run this again.',
      });
  }

  #checkPorts(listeners: readonly { address: string; port: number }[]): void {
    const { member } = this.#task;
    for (const port of [member.peerPort, member.clientPort]) {
      if (!listeners.some((one) => one.port === port && overlaps(one.address, member.address))) continue;
      throw this.#refusal({
        kind: 'portInUse',
        message: `Something else listens on port ${port} of ${member.address}. Nothing was changed.`,
        nextStep: `See what it is (\`ss -ltnp 'sport = :${port}'\` on the host) and stop it, or destroy this cluster and create it with other ports.`,
      });
    }
  }

  async #ship(file: ShippedFile, report: StepReport): Promise<StepResult> {
    const { outcome, totalBytes } = await this.#parts.shipping.ship(await this.#connection(), file, {
      home: this.#home,
      signal: this.#run.signal,
      onProgress: (ratio) => report.progress(ratio),
    });
    const isThere = outcome === 'unchanged';
    if (!isThere) this.#rewrote = true;
    return {
      state: isThere ? 'unchanged' : 'succeeded',
      detail: `~/${file.remotePath}, ${mebibytes(totalBytes)} MiB`,
    };
  }

  async #put(files: readonly NodeFile[], folders: readonly string[]): Promise<StepResult> {
    const dir = hostLayout.nodeDir(this.#task.member.nodeId);
    const connection = await this.#connection();
    const inside = folders.map((folder) => `${dir}/${folder}`);
    const script = putFilesScript(files, [HOST_ROOT, hostLayout.nodes, dir, ...inside]);
    const { stdout } = await connection.exec(sh`/bin/sh -s`, {
      stdin: script,
      timeoutMs: 30_000,
      signal: this.#run.signal,
    });
    const { put } = parsePut(stdout);
    if (put > 0) this.#rewrote = true;
    return {
      state: put === 0 ? 'unchanged' : 'succeeded',
      detail: `${files.length} files in ~/${dir}`,
    };
  }

  async #start(): Promise<StepResult> {
    const { cluster, member, host } = this.#task;
    const { agents } = this.#parts;
    agents.attach({ hostId: host.hostId, host: host.name, command: agentCommand(cluster) });
    await agentReady(agents, host, this.#run.signal);
    const wasRunning = this.#inspection?.isRunning === true;
    // A node that runs on files that were just replaced goes on with the old ones until it is started again.
    const call = this.mustRestart ? 'restart' : 'start';
    const { clusterId } = cluster;
    const request = { clusterId, nodeId: member.nodeId, hostId: host.hostId, call, wanted: 'running' } as const;
    const service = await askService(this.#parts.nodes, request, this.#run.signal);
    if (service?.state !== 'running')
      throw this.#refusal({
        kind: 'nodeNotRunning',
        message: `${member.name} does not run: ${service === null ? 'its host is not heard of' : (service.reason ?? service.state)}.`,
        nextStep: `See its log (~/${hostLayout.nodeDir(member.nodeId)}/${nodeLayout.logFile} on the host), then run this again.`,
      });
    const isUnchanged = wasRunning && call === 'start';
    return { state: isUnchanged ? 'unchanged' : 'succeeded', detail: `${member.name} is ${sayService(service)}` };
  }

  #refusal(facts: { kind: string; message: string; nextStep: string }): FailureError {
    return new FailureError({ ...facts, host: this.#task.host.name });
  }
}

export function stepName(host: { hostId: string; name: string }, step: string): StepName {
  return { hostId: host.hostId, host: host.name, step };
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / (1024 * 1024));
}
