/**
 * Keeps one node process running: starts it, notices its end, decides by the restart policy, stops it. Everything happens
 * on one thread and in answer to three things: a request, the end of a process, a pause that is over.
 */
import type { ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { nodeLayout } from '../contract/host-layout.ts';
import type { SupervisorStatus } from './control.ts';
import { launchRelease, nodeArguments, readLaunch } from './launch.ts';
import { appendSupervisorLine, lastLinesSince, lineInWords, logSize, openLog } from './node-log.ts';
import { identify, isAlive, type ProcessIdentity, signalProcess } from './process-identity.ts';
import {
  decideRestart,
  describeExit,
  type NodeExit,
  type RestartDecision,
  restartAfterFastExit,
  type RestartPolicy,
} from './restart-policy.ts';
import { removeRecord, writeRecord } from './run-records.ts';
import { failCall } from './socket-call.ts';

/** How often an adopted node, which is nobody's child here, is looked for. */
const ADOPTED_POLL_MS = 100;
const REASON_LINES = 5;
/** Why a process could not be started that passes: no memory, no process, no file descriptor to be had. */
const passingCodes: ReadonlySet<unknown> = new Set(['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE']);

/** One process from its start to its end. */
interface Life {
  readonly identity: ProcessIdentity;
  readonly startedAtMs: number;
  /** Size of the log when it started: what stands after it is from this life. */
  readonly logOffset: number;
  readonly ended: Promise<void>;
  /** Its coming end was asked for. */
  endRequested: boolean;
}

export interface NodeKeeperOptions {
  readonly nodeDir: string;
  readonly policy: RestartPolicy;
  /** From SIGTERM to SIGKILL. */
  readonly stopGraceMs: number;
}

export class NodeKeeper {
  readonly #options: NodeKeeperOptions;
  readonly #logPath: string;
  #life: Life | null = null;
  #state: SupervisorStatus['state'] = 'restarting';
  #reason: string | null = null;
  #restarts = 0;
  #fastExits = 0;
  #isFailing = false;
  #pause: NodeJS.Timeout | null = null;

  constructor(options: NodeKeeperOptions) {
    this.#options = options;
    this.#logPath = join(options.nodeDir, nodeLayout.logFile);
  }

  status(): SupervisorStatus {
    return {
      supervisorPid: process.pid,
      state: this.#state,
      node: this.#life?.identity ?? null,
      restarts: this.#restarts,
      isFailing: this.#isFailing,
      reason: this.#reason,
    };
  }

  /** Takes over a node that an earlier supervisor left running. */
  adopt(identity: ProcessIdentity): void {
    this.#say('warn', `found the node already running as pid ${identity.pid}: watching it`);
    const ended = new Promise<void>((resolve) => {
      const poll = setInterval(() => {
        if (isAlive(identity)) return;
        clearInterval(poll);
        resolve();
      }, ADOPTED_POLL_MS);
    });
    this.#begin(identity, ended, () => ({ code: null, signal: null }));
  }

  /** Starts the node. A program that cannot be started leaves the state `failed` with the reason, unless that may pass. */
  start(): void {
    const { nodeDir } = this.#options;
    this.#pause = null;
    let child: ChildProcess;
    const output = openLog(this.#logPath);
    try {
      const launch = readLaunch(nodeDir);
      this.#say('info', `starting ${launch.runtime} ${launch.release}`);
      child = launchRelease(launch, {
        nodeDir,
        arguments: nodeArguments(nodeDir),
        output: output ?? 'ignore',
        detached: false,
      });
    } catch (error) {
      this.#failToStart(error as Error);
      return;
    } finally {
      if (output !== null) closeSync(output);
    }
    this.#watch(child);
  }

  /** SIGKILL to the node; it is started again at once. Throws CallFailedError when there is none. */
  kill(): number {
    const life = this.#life;
    if (!life) throw failCall('notRunning', 'the node is not running', 'start it first');
    life.endRequested = true;
    if (!signalProcess(life.identity, 'SIGKILL')) throw failCall('notRunning', 'the node had just ended');
    return life.identity.pid;
  }

  /** Ends the node if it runs and starts it anew, with all counters at zero. */
  async restart(): Promise<SupervisorStatus> {
    if (this.#state === 'stopping') throw failCall('refused', 'the node is being stopped', 'start it afterwards');
    this.#cancelPause();
    this.#fastExits = 0;
    this.#isFailing = false;
    if (this.#life) await this.#terminate(this.#life);
    else this.start();
    this.#restarts = 0;
    return this.status();
  }

  /** Ends the node for good. */
  async stop(): Promise<void> {
    this.#state = 'stopping';
    this.#cancelPause();
    if (this.#life) await this.#terminate(this.#life);
  }

  #watch(child: ChildProcess): void {
    let exit: Pick<NodeExit, 'code' | 'signal'> = { code: null, signal: null };
    const ended = new Promise<void>((resolve) => {
      child.once('exit', (code, signal) => {
        exit = { code, signal };
        resolve();
      });
    });
    child.once('error', (error) => {
      // What goes wrong with a running child, such as a signal, is told where it is asked for.
      if (child.pid === undefined) this.#failToStart(error);
    });
    if (child.pid === undefined) return;
    // A child stays in the process table until this process has seen its end, so it is always found here, if only as a zombie.
    const identity = identify(child.pid) ?? { pid: child.pid, startTime: 'ended at once', bootId: '' };
    this.#begin(identity, ended, () => exit);
  }

  #begin(identity: ProcessIdentity, ended: Promise<void>, exit: () => Pick<NodeExit, 'code' | 'signal'>): void {
    const life: Life = {
      identity,
      startedAtMs: performance.now(),
      logOffset: logSize(this.#logPath),
      ended: ended.then(() => this.#end(life, exit())),
      endRequested: false,
    };
    this.#life = life;
    this.#state = 'running';
    this.#isFailing = false;
    this.#reason = null;
    try {
      writeRecord(this.#options.nodeDir, 'node', identity);
    } catch (error) {
      // On a full disk the node is found by its command line instead.
      this.#say('warn', `the node's pid could not be recorded: ${(error as Error).message}`);
    }
  }

  #end(life: Life, exit: Pick<NodeExit, 'code' | 'signal'>): void {
    this.#life = null;
    removeRecord(this.#options.nodeDir, 'node');
    if (this.#state === 'stopping') {
      this.#say('info', `stopped: ${describeExit(exit)}`);
      return;
    }
    const livedMs = performance.now() - life.startedAtMs;
    const lastLines = lastLinesSince(this.#logPath, life.logOffset, REASON_LINES).map(lineInWords);
    const decision = decideRestart(this.#options.policy, this.#fastExits, {
      ...exit,
      livedMs,
      onRequest: life.endRequested,
    });
    this.#carryOut(decision, lastLines);
  }

  #failToStart(error: Error): void {
    if (this.#state === 'stopping') return;
    const why = `the node cannot be started: ${error.message}`;
    if (!passingCodes.has((error as NodeJS.ErrnoException).code)) this.#fail(why);
    else this.#carryOut(restartAfterFastExit(this.#options.policy, this.#fastExits + 1, why), []);
  }

  #carryOut(decision: RestartDecision, lastLines: readonly string[]): void {
    const reason = [decision.why, ...lastLines].join('\n');
    if (decision.kind === 'giveUp') {
      this.#fail(reason);
      return;
    }
    this.#fastExits = decision.fastExits;
    this.#isFailing = decision.isFailing;
    this.#restarts += 1;
    this.#say(decision.isFailing ? 'error' : 'warn', `${decision.why}; starting it in ${decision.afterMs} ms`);
    if (decision.afterMs === 0) {
      this.start();
      return;
    }
    this.#state = 'restarting';
    this.#reason = reason;
    this.#pause = setTimeout(() => this.start(), decision.afterMs);
  }

  async #terminate(life: Life): Promise<void> {
    life.endRequested = true;
    signalProcess(life.identity, 'SIGTERM');
    const impatience = setTimeout(() => {
      this.#say('warn', `the node did not end within ${this.#options.stopGraceMs} ms of SIGTERM: SIGKILL`);
      signalProcess(life.identity, 'SIGKILL');
    }, this.#options.stopGraceMs);
    await life.ended;
    clearTimeout(impatience);
  }

  #fail(reason: string): void {
    this.#life = null;
    this.#state = 'failed';
    this.#reason = reason;
    this.#say('error', `left down: ${reason}`);
  }

  #cancelPause(): void {
    if (this.#pause) clearTimeout(this.#pause);
    this.#pause = null;
  }

  #say(level: 'info' | 'warn' | 'error', message: string): void {
    appendSupervisorLine(this.#logPath, level, message);
  }
}
