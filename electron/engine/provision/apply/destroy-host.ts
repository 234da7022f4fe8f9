/**
 * Takes one node of a cluster off its host: stopped, its folder removed, programs that nothing else uses removed, and then
 * looked at again, since only what is seen to be gone is gone. Each step finds out first what is there, so that it can be
 * run again.
 */
import { agentCommand } from '../../agents/agents.ts';
import type { StoredCluster, StoredHost, StoredMember } from '../../fleet/records.ts';
import { FailureError } from '../../operations/failure.ts';
import type { OperationRun, StepResult } from '../../operations/operations.ts';
import { sh } from '../../ssh/shell-command.ts';
import { type Inspection, inspectScript, parseInspection } from '../plan/inspection.ts';
import { removeNodeFolderScript, removeUnusedScript, residueScript } from '../plan/removal.ts';
import { agentReady } from './agent-ready.ts';
import { type ProvisionParts, stepName } from './provision-host.ts';

export const destroySteps = ['Connect', 'Stop node', 'Remove data', 'Remove programs', 'Look again'] as const;

export interface DestroyTask {
  readonly cluster: StoredCluster;
  readonly member: StoredMember;
  readonly host: StoredHost;
  /** Versions of runtimes and releases that other clusters use on this host; empty: none does. */
  readonly keepVersions: readonly string[];
}

export class HostDestruction {
  readonly #parts: ProvisionParts;
  readonly #task: DestroyTask;
  readonly #run: OperationRun;
  #seen: Inspection | null = null;

  constructor(parts: ProvisionParts, task: DestroyTask, run: OperationRun) {
    this.#parts = parts;
    this.#task = task;
    this.#run = run;
  }

  /** Throws FailureError; what was done until then stays done. */
  async apply(): Promise<void> {
    await this.#step('Connect', async () => {
      this.#seen = await this.#inspect();
      return { state: 'succeeded', detail: `${this.#task.host.user}@${this.#task.host.address}` };
    });
    await this.#step('Stop node', () => this.#stop());
    await this.#step('Remove data', () => this.#removeData());
    await this.#step('Remove programs', () => this.#removePrograms());
    await this.#step('Look again', () => this.#lookAgain());
  }

  #step(step: (typeof destroySteps)[number], action: () => Promise<StepResult>): Promise<StepResult> {
    return this.#run.step(stepName(this.#task.host, step), action);
  }

  async #script(script: string): Promise<string> {
    const connection = await this.#parts.hosts.connection(this.#task.host.hostId, this.#run.signal);
    const options = { stdin: script, timeoutMs: 30_000, signal: this.#run.signal };
    return (await connection.exec(sh`/bin/sh -s`, options)).stdout;
  }

  async #inspect(): Promise<Inspection> {
    const { cluster, member } = this.#task;
    const seen = parseInspection(await this.#script(inspectScript({ ...cluster, nodeId: member.nodeId })));
    const isOther = seen.config !== null && seen.config !== 'unreadable' && seen.config.clusterId !== cluster.clusterId;
    if (isOther)
      throw this.#failure({
        kind: 'foreignData',
        message: `The folder of ${member.nodeId} belongs to another cluster; nothing was removed.`,
        nextStep: 'Look at its config.json on the host.',
      });
    return seen;
  }

  get #hasAgent(): boolean {
    return this.#seen?.runtime === 'file' && this.#seen.release === 'file';
  }

  async #stop(): Promise<StepResult> {
    const { cluster, member, host } = this.#task;
    const isRunning = this.#seen?.isRunning === true;
    if (!this.#hasAgent) {
      if (!isRunning) return { state: 'unchanged', detail: 'it never ran' };
      throw this.#failure({
        kind: 'cannotStop',
        message: `${member.name} runs, but the program that could stop it was removed from the host.`,
        nextStep: `End the processes of ${member.nodeId} on the host by hand (\`ps -ef | grep ${member.nodeId}\`), then run this again.`,
      });
    }
    const { agents } = this.#parts;
    agents.attach({ hostId: host.hostId, host: host.name, command: agentCommand(cluster) });
    await agentReady(agents, host, this.#run.signal);
    const hasConfig = this.#seen?.config != null;
    if (hasConfig) await agents.call(host.hostId, 'stop', { nodeId: member.nodeId });
    return { state: isRunning ? 'succeeded' : 'unchanged', detail: isRunning ? null : 'it does not run' };
  }

  async #removeData(): Promise<StepResult> {
    const { member, host } = this.#task;
    const isThere = this.#seen?.node === 'folder';
    // The agent also clears what an interrupted removal left. A folder that has no configuration yet is none to it.
    if (this.#hasAgent && (!isThere || this.#seen?.config != null))
      await this.#parts.agents.call(host.hostId, 'remove', { nodeId: member.nodeId, confirmNodeId: member.nodeId });
    else if (isThere) await this.#script(removeNodeFolderScript(member.nodeId));
    return isThere
      ? { state: 'succeeded', detail: `~/.synod/nodes/${member.nodeId}` }
      : { state: 'unchanged', detail: 'it is not there' };
  }

  async #removePrograms(): Promise<StepResult> {
    const { host, keepVersions } = this.#task;
    // The agent runs from what is removed here.
    if (keepVersions.length === 0) await this.#parts.agents.detach(host.hostId);
    const removed = (await this.#script(removeUnusedScript(keepVersions))).match(/^removed=/gm)?.length ?? 0;
    return { state: removed > 0 ? 'succeeded' : 'unchanged', detail: `${removed} folders removed` };
  }

  async #lookAgain(): Promise<StepResult> {
    const { member, keepVersions } = this.#task;
    const left = (await this.#script(residueScript([member.nodeId], keepVersions.length === 0)))
      .split('\n')
      .filter((line) => line !== '');
    if (left.length === 0) return { state: 'succeeded', detail: 'nothing is left' };
    throw this.#failure({
      kind: 'residue',
      message: `Still there: ${left.join(', ')}.`,
      nextStep: 'Look at what it is, remove it if it is not yours, then run this again.',
    });
  }

  #failure(facts: { kind: string; message: string; nextStep: string }): FailureError {
    return new FailureError({ ...facts, host: this.#task.host.name });
  }
}
