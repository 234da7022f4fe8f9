/**
 * One host and one node: looks, plans, carries the plan out phase by phase, and looks again. The same for what should be there and for
 * what should be gone. A connection that breaks in the middle is made again, and the rest planned from what is there then.
 */
import type { HostPlace } from '../../../../cluster-node/contract/host-layout.ts';
import type { ServiceState } from '../../../../cluster-node/contract/sample.ts';
import type { Agents } from '../../agents/agents.ts';
import { agentTarget } from '../../agents/agents.ts';
import type { NodePort } from '../../nodes/node-port.ts';
import { askService, sayService } from '../../nodes/service-operations.ts';
import { FailureError } from '../../operations/failure.ts';
import type { OperationRun, StepName, StepReport, StepResult } from '../../operations/operations.ts';
import type { Executor } from '../../ssh/elevation.ts';
import { sh } from '../../ssh/shell-command.ts';
import { SshError } from '../../ssh/ssh-error.ts';
import type { Seeds } from '../../backup/seeds.ts';
import type { NodeKeyFiles } from '../plan/desired.ts';
import { residueIn } from '../plan/gone.ts';
import { type HostStep, targetOfStep } from '../plan/host-plan.ts';
import { shownPath } from '../plan/obstacles.ts';
import { absentPhases, type Phase, presentPhases } from '../plan/resources.ts';
import { undoOf } from '../plan/undo.ts';
import { LOCK_LOST } from '../shared/host-scripts.ts';
import { agentReady } from './agent-ready.ts';
import type { CommandLog } from './command-log.ts';
import { executorOn, type HostWish, type LookedHost, type LookParts, lookAtHost, planAgain } from './look.ts';
import { isScripted, NOT_OURS, stepScript, stepsDone } from './step-script.ts';

export interface ApplyParts extends LookParts {
  readonly agents: Agents;
  /** The cluster as it is seen, and its agents. */
  readonly nodes: NodePort;
  readonly seeds: Pick<Seeds, 'pathOf'>;
}

const SCRIPT_TIMEOUT_MS = 120_000;
/** How often the rest is planned anew after the connection broke. */
const TRIES = 3;

/** The steps of the operation on one host. */
export function hostStepsOf(intent: HostWish['intent'], place: 'home' | 'system'): string[] {
  if (intent === 'gone') return ['Connect', ...absentPhases, 'Look again'];
  const phases = presentPhases.filter((phase) => place === 'system' || phase !== 'System user');
  return ['Connect', 'Check host', ...phases, 'Look again'];
}

export function stepName(host: { hostId: string; name: string }, step: string): StepName {
  return { hostId: host.hostId, host: host.name, step };
}

/** In which operation it is done. */
export interface ApplyRun {
  readonly run: OperationRun;
  readonly log: CommandLog;
  /** Lines that keep a script from changing the host when the operation may not any more. */
  readonly fence: (place: HostPlace) => string;
}

export class HostApply {
  readonly #parts: ApplyParts;
  readonly #run: OperationRun;
  readonly #log: CommandLog;
  readonly #fence: (place: HostPlace) => string;
  #wish: HostWish;
  #looked: LookedHost | null = null;
  #changed = 0;

  constructor(parts: ApplyParts, wish: HostWish, at: ApplyRun) {
    this.#parts = parts;
    this.#wish = wish;
    this.#run = at.run;
    this.#log = at.log;
    this.#fence = at.fence;
  }

  get wish(): HostWish {
    return this.#wish;
  }

  /** What was seen and planned last. Throws Error before the first look. */
  get looked(): LookedHost {
    if (this.#looked === null) throw new Error('the host was not looked at yet');
    return this.#looked;
  }

  /** It runs on what changes. */
  get mustRestart(): boolean {
    return this.looked.steps.some((step) => step.resource.kind === 'service' && step.change === 'restart');
  }

  /** Connects and plans; reads only. Throws FailureError, also for what is in the way. */
  async check(): Promise<void> {
    const { host } = this.#wish;
    await this.#step('Connect', async () => {
      await this.#parts.hosts.connection(host.hostId, this.#run.signal);
      if (this.#wish.intent === 'gone') await this.#look();
      return { state: 'succeeded', detail: `${host.user}@${host.address}` };
    });
    if (this.#wish.intent === 'gone') return;
    await this.#step('Check host', async () => {
      const { gathered, steps } = await this.#look();
      const changes = steps.length === 0 ? 'nothing to do' : `${steps.length} changes`;
      return { state: 'succeeded', detail: `${gathered.facts.os}, ${gathered.facts.architecture}; ${changes}` };
    });
  }

  async #look(): Promise<LookedHost> {
    const gathered = this.#looked?.gathered;
    this.#looked = await lookAtHost(this.#parts, this.#wish, { gathered, signal: this.#run.signal });
    if (this.#looked.obstacle) throw new FailureError(this.#looked.obstacle);
    return this.#looked;
  }

  /** With the keys that were made meanwhile. */
  async useKeys(keys: NodeKeyFiles): Promise<void> {
    this.#wish = { ...this.#wish, keys };
    this.#looked = await planAgain(this.#parts, this.#wish, this.looked);
  }

  /** Everything but starting. Throws FailureError; what was done until then stays done. */
  async put(): Promise<void> {
    for (const phase of presentPhases) if (this.#hasPhase(phase)) await this.#phase(phase);
  }

  #hasPhase(phase: Phase): boolean {
    return phase !== 'Start node' && (phase !== 'System user' || this.#wish.cluster.place === 'system');
  }

  /** Takes the node off the host. Throws FailureError. */
  async remove(): Promise<void> {
    for (const phase of absentPhases) {
      // The agent runs from what is removed here.
      if (phase === 'Remove programs' && this.#wish.keepVersions.length === 0)
        await this.#parts.agents.detach(this.#wish.host.hostId);
      await this.#phase(phase);
    }
  }

  async #phase(phase: Phase): Promise<void> {
    await this.#step(phase, async (report) => {
      const all = this.looked.desired.filter((resource) => resource.phase === phase);
      const before = this.#changed;
      await this.#resuming(phase, (steps) => this.#carryOut(steps, report));
      const changed = this.#changed - before;
      const isChange = changed > 0;
      return { state: isChange ? 'succeeded' : 'unchanged', detail: this.#sayPhase(phase, changed, all.length) };
    });
  }

  #sayPhase(phase: Phase, changed: number, all: number): string {
    const { desired, gathered } = this.looked;
    const shipped = desired.find((resource) => resource.phase === phase && resource.kind === 'shipped');
    if (shipped?.kind === 'shipped')
      return `${shownPath(shipped.path, gathered.facts.home)}, ${Math.round(shipped.bytes / 2 ** 20)} MiB`;
    return changed === 0 ? 'nothing to do' : `${changed} of ${all}`;
  }

  /** Carries out what is planned of the phase; where the connection breaks, looks again and goes on with the rest. */
  async #resuming(phase: Phase, work: (steps: readonly HostStep[]) => Promise<void>): Promise<void> {
    for (let tried = 1; ; tried++) {
      try {
        await work(this.looked.steps.filter((step) => step.resource.phase === phase));
        return;
      } catch (error) {
        if (tried === TRIES || !isBroken(error) || this.#run.signal.aborted) throw error;
        await this.#look();
      }
    }
  }

  async #carryOut(steps: readonly HostStep[], report: StepReport): Promise<void> {
    for (let at = 0; at < steps.length; ) {
      const step = steps[at];
      if (step === undefined) return;
      if (step.resource.kind === 'shipped') {
        await this.#ship(step, report);
        at++;
        continue;
      }
      const length = steps.slice(at).findIndex((one) => !isScripted(one));
      const batch = steps.slice(at, length === -1 ? undefined : at + length);
      await this.#script(batch);
      at += batch.length;
    }
  }

  async #executor(what: string): Promise<Executor> {
    const executor = await executorOn(this.#parts, this.#wish, this.#run.signal);
    return this.#log.watch(executor, this.#wish.host.name, what);
  }

  async #script(steps: readonly HostStep[]): Promise<void> {
    const { place, gathered } = this.looked;
    const { runDir } = place.node(this.#wish.member.nodeId);
    const at = { place: place.name, runDir, fence: this.#fence(place) };
    const what = steps.map((step) => `${step.change} ${shownPath(targetOfStep(step), gathered.facts.home)}`).join('; ');
    const executor = await this.#executor(what);
    const options = { stdin: stepScript(steps, at), timeoutMs: SCRIPT_TIMEOUT_MS, signal: this.#run.signal };
    try {
      const { stdout } = await executor.exec(sh`/bin/sh -s`, options);
      if (stepsDone(stdout) < steps.length)
        throw new Error(`the host did ${stepsDone(stdout)} of ${steps.length} steps`);
      this.#changed += steps.length;
    } catch (error) {
      throw this.#scriptFailure(error, steps);
    }
  }

  #scriptFailure(error: unknown, steps: readonly HostStep[]): unknown {
    if (!(error instanceof SshError) || error.kind !== 'commandFailed') return error;
    const { exitCode, stderr } = error;
    const facts = { host: this.#wish.host.name, exitCode, stderr, command: 'sh -s (steps of the plan)' };
    const what = steps.map(targetOfStep).slice(0, 5).join(', ');
    const said = (stderr ?? '').trim().split('\n').at(-1) ?? '';
    if (/no space left on device|disk quota exceeded/i.test(stderr ?? ''))
      return new FailureError(
        {
          ...facts,
          kind: 'diskFull',
          message: `There was no space left on the disk for ${what}. No half file was put in place.`,
          nextStep: 'Free some space on that file system (`df -h` shows it), then run this again: it goes on there.',
        },
        { cause: error },
      );
    if (exitCode === LOCK_LOST)
      return new FailureError(
        {
          ...facts,
          kind: 'lockLost',
          message: `The operation lock on ${this.#wish.host.name} is not this operation's any more: it was not renewed in time (this computer slept, or was cut off), and another one took it. That step changed nothing.`,
          nextStep: 'See what the other console does, and run this again after it.',
        },
        { cause: error },
      );
    return new FailureError(
      {
        ...facts,
        kind: exitCode === NOT_OURS ? 'foreignFiles' : 'stepFailed',
        message: exitCode === NOT_OURS ? `${said}. Nothing was overwritten.` : `A step failed (${what}): ${said}.`,
        nextStep: 'Put right what the host said, then run this again: it goes on there.',
      },
      { cause: error },
    );
  }

  async #ship(step: HostStep, report: StepReport): Promise<void> {
    const { resource } = step;
    if (resource.kind !== 'shipped') return;
    const executor = await this.#executor(`upload ${resource.source} to ${resource.path}`);
    await this.#parts.shipping.ship(executor, resource, {
      architecture: this.looked.gathered.facts.architecture,
      seedPath: this.#parts.seeds.pathOf(this.#wish.cluster.clusterId),
      signal: this.#run.signal,
      onProgress: (ratio) => report.progress(ratio),
    });
    this.#changed++;
  }

  /** Starts or restarts what is planned to be; `put` must have been done. Throws FailureError. */
  async start(): Promise<void> {
    await this.#step('Start node', async () => {
      const { cluster, member, host } = this.#wish;
      const step = this.looked.steps.find((one) => one.resource.kind === 'service');
      this.#parts.agents.attach(agentTarget(host, cluster));
      if (!step) return { state: 'unchanged', detail: `${member.name} runs` };
      await agentReady(this.#parts.agents, host, this.#run.signal);
      const call = step.change === 'restart' ? 'restart' : 'start';
      const service = await this.#ask(call);
      this.#changed++;
      return { state: 'succeeded', detail: `${member.name} is ${sayService(service)}` };
    });
  }

  /** Throws FailureError, AgentError. */
  async #ask(call: 'start' | 'restart'): Promise<ServiceState> {
    const { cluster, member, host } = this.#wish;
    const at = { clusterId: cluster.clusterId, nodeId: member.nodeId, hostId: host.hostId };
    const service = await this.#log.record(host.name, `agent: ${call} ${member.nodeId}`, () =>
      askService(this.#parts.nodes, { ...at, call, wanted: 'running' }, this.#run.signal),
    );
    if (service?.state === 'running') return service;
    throw this.#failure({
      kind: 'nodeNotRunning',
      message: `${member.name} does not run: ${service === null ? 'its host is not heard of' : (service.reason ?? service.state)}.`,
      nextStep: `See the log of ${member.name}, then run this again.`,
    });
  }

  /**
   * Puts back the version links and configuration that were replaced, and restarts the node on them if it was restarted since.
   * False: nothing was replaced. Throws FailureError.
   */
  async goBack(wasRestarted: boolean): Promise<boolean> {
    const { steps, observed } = this.looked;
    const undo = undoOf(steps, observed);
    if (undo.length === 0) return false;
    await this.#step('Go back', async () => {
      await this.#script(undo);
      if (wasRestarted) await this.#ask('restart');
      return { state: 'succeeded', detail: `${undo.map(targetOfStep).join(', ')} as before` };
    });
    return true;
  }

  /** Whatever its files are. Throws FailureError. */
  async restart(): Promise<void> {
    await this.#step('Restart node', async () => {
      const { cluster, member, host } = this.#wish;
      this.#parts.agents.attach(agentTarget(host, cluster));
      await agentReady(this.#parts.agents, host, this.#run.signal);
      return { state: 'succeeded', detail: `${member.name} is ${sayService(await this.#ask('restart'))}` };
    });
  }

  /** Looks again: what was not seen to be as wanted is a failure, however the steps ended. Throws FailureError `notAsWanted`, `residue`. */
  async verify(): Promise<void> {
    await this.#step('Look again', async () => {
      if (this.#changed === 0 && this.looked.steps.length === 0)
        return { state: 'unchanged', detail: 'all is as it should be' };
      const { steps, gathered, observed, gone } = await this.#look();
      const left = this.#wish.intent === 'gone' ? residueIn({ ...gone, observed }, observed) : steps.map(targetOfStep);
      if (left.length === 0 && steps.length === 0)
        return {
          state: 'succeeded',
          detail: this.#wish.intent === 'gone' ? 'nothing is left' : 'all is as it should be',
        };
      const shown = [...new Set([...left, ...steps.map(targetOfStep)])].map((path) =>
        shownPath(path, gathered.facts.home),
      );
      throw this.#failure(
        this.#wish.intent === 'gone'
          ? {
              kind: 'residue',
              message: `Something is left: ${shown.slice(0, 20).join(', ')}.`,
              nextStep: 'Look at what it is and remove it if nothing else needs it.',
            }
          : {
              kind: 'notAsWanted',
              message: `Every step ended well, and yet these are not as they should be: ${shown.join(', ')}.`,
              nextStep: 'See who else changes them (a configuration manager?), then run this again.',
            },
      );
    });
  }

  /** What a look at the host finds of this node now, for people; null: it could not be looked at. */
  async left(): Promise<string[] | null> {
    try {
      const { gone, observed, gathered } = await lookAtHost(this.#parts, this.#wish, { signal: this.#run.signal });
      return residueIn(gone, observed).map((path) => shownPath(path, gathered.facts.home));
    } catch {
      return null;
    }
  }

  #step(step: string, action: (report: StepReport) => Promise<StepResult>): Promise<StepResult> {
    return this.#run.step(stepName(this.#wish.host, step), action);
  }

  #failure(facts: { kind: string; message: string; nextStep: string }): FailureError {
    return new FailureError({ ...facts, host: this.#wish.host.name });
  }
}

/** The connection is gone, and with it the knowledge of how the last command ended. */
function isBroken(error: unknown): boolean {
  return error instanceof SshError && (error.kind === 'connectionLost' || error.kind === 'outcomeUnknown');
}
