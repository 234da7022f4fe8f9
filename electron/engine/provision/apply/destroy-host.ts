/**
 * Takes one node of a cluster off its host: stopped, its folder removed, programs that nothing else uses removed, and then
 * looked at again, since only what is seen to be gone is gone. Each step finds out first what is there, so that it can be
 * run again.
 */
import { AgentError } from '../../agents/agent-error.ts';
import { agentCommand } from '../../agents/agents.ts';
import type { StoredCluster, StoredHost, StoredMember } from '../../fleet/records.ts';
import { FailureError } from '../../operations/failure.ts';
import type { OperationRun, StepResult } from '../../operations/operations.ts';
import { sh } from '../../ssh/shell-command.ts';
import { type Inspection, inspectScript, parseInspection } from '../plan/inspection.ts';
import {
  parseRemoved,
  removeNodeFolderScript,
  removeUnusedScript,
  residueScript,
  stopRecordedScript,
} from '../plan/removal.ts';
import { agentReady } from './agent-ready.ts';
import { type ProvisionParts, stepName } from './provision-host.ts';

export const destroySteps = ['Connect', 'Stop node', 'Remove data', 'Remove programs', 'Look again'] as const;

/** Longer than a supervisor and then a node may take to end by SIGTERM and SIGKILL. */
const STOP_BY_SCRIPT_MS = 60_000;

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

  async #script(script: string, timeoutMs = 30_000): Promise<string> {
    const connection = await this.#parts.hosts.connection(this.#task.host.hostId, this.#run.signal);
    const options = { stdin: script, timeoutMs, signal: this.#run.signal };
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

  /** What a look at the host finds of this node now; null: it could not be looked at. */
  async left(): Promise<string[] | null> {
    try {
      return await this.#residue();
    } catch {
      return null;
    }
  }

  async #residue(): Promise<string[]> {
    const { member, keepVersions } = this.#task;
    const found = await this.#script(residueScript([member.nodeId], keepVersions.length === 0));
    return found.split('\n').filter((line) => line !== '');
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
    const wasAsked = await this.#ask(() => agents.call(host.hostId, 'stop', { nodeId: member.nodeId }));
    const byScript = wasAsked ? '' : await this.#script(stopRecordedScript(member.nodeId), STOP_BY_SCRIPT_MS);
    if (isRunning || byScript !== '')
      return { state: 'succeeded', detail: wasAsked ? null : 'by its process numbers: its config.json cannot be read' };
    return { state: 'unchanged', detail: 'it does not run' };
  }

  /** False: the agent cannot, since the node's configuration is not there or cannot be used. */
  async #ask(call: () => Promise<unknown>): Promise<boolean> {
    if (this.#seen?.config == null || this.#seen.config === 'unreadable') return false;
    try {
      await call();
      return true;
    } catch (error) {
      // `failed` is also how an agent says that a configuration, well-formed or not, is not one for it.
      if (error instanceof AgentError && error.kind === 'failed') return false;
      throw error;
    }
  }

  async #removeData(): Promise<StepResult> {
    const { member, host } = this.#task;
    const isThere = this.#seen?.node === 'folder';
    const params = { nodeId: member.nodeId, confirmNodeId: member.nodeId };
    const remove = () => this.#parts.agents.call(host.hostId, 'remove', params);
    // Where nothing is there any more, the agent still clears what an interrupted removal left.
    if (this.#hasAgent && !isThere) await remove();
    else if (!this.#hasAgent || !(await this.#ask(remove))) await this.#script(removeNodeFolderScript(member.nodeId));
    return isThere
      ? { state: 'succeeded', detail: `~/.synod/nodes/${member.nodeId}` }
      : { state: 'unchanged', detail: 'it is not there' };
  }

  async #removePrograms(): Promise<StepResult> {
    const { host, keepVersions } = this.#task;
    // The agent runs from what is removed here.
    if (keepVersions.length === 0) await this.#parts.agents.detach(host.hostId);
    const { removed, left } = parseRemoved(await this.#script(removeUnusedScript(keepVersions)));
    const stays = left.length === 0 ? '' : `; left: ${left.join(', ')}`;
    return {
      state: removed.length > 0 ? 'succeeded' : 'unchanged',
      detail: `${removed.length} folders removed${stays}`,
    };
  }

  async #lookAgain(): Promise<StepResult> {
    const left = await this.#residue();
    if (left.length === 0) return { state: 'succeeded', detail: 'nothing is left' };
    throw this.#failure({
      kind: 'residue',
      message: `Something is left: ${left.join(', ')}.`,
      nextStep: 'Look at what it is and remove it if nothing else needs it.',
    });
  }

  #failure(facts: { kind: string; message: string; nextStep: string }): FailureError {
    return new FailureError({ ...facts, host: this.#task.host.name });
  }
}
