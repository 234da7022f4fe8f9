/** The load process as the suite sees it. It is kept for the whole suite, so that its code is equally warm for everyone. */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { FromLoad, LoadJob, LoadResult, ProbeJob, ProbeResult, ToLoad } from './load-messages.ts';

export interface RunningProbe {
  /** Ends once `afterPuts` more were acknowledged; rejects when that takes longer than half a minute. */
  stop(afterPuts: number): Promise<ProbeResult>;
}

export class LoadClient {
  readonly #process: ChildProcess;
  #onMessage: (message: FromLoad) => void = () => {};
  #onExit: (error: Error) => void = () => {};

  constructor() {
    this.#process = fork(join(import.meta.dirname, 'load-process.ts'));
    this.#process.on('message', (message) => this.#onMessage(message as FromLoad));
    this.#process.on('exit', (code) => this.#onExit(new Error(`the load process ended with ${code}`)));
  }

  /** `onEdge` is called as the measured time begins and as it ends. */
  load(job: Omit<LoadJob, 'kind'>, onEdge: (edge: 'begin' | 'end') => void = () => {}): Promise<LoadResult> {
    return new Promise((resolve, reject) => {
      this.#onExit = reject;
      this.#onMessage = (message) => {
        if (message.kind === 'begin' || message.kind === 'end') onEdge(message.kind);
        else if (message.kind === 'loadResult') resolve(message.result);
        else reject(new Error(message.kind === 'failed' ? message.message : `an unexpected ${message.kind}`));
      };
      this.#say({ kind: 'load', ...job });
    });
  }

  /** Resolves once puts are on their way. */
  probe(job: Omit<ProbeJob, 'kind'>): Promise<RunningProbe> {
    return new Promise((resolve, reject) => {
      this.#onExit = reject;
      this.#onMessage = (message) => {
        if (message.kind === 'begin') resolve({ stop: (afterPuts) => this.#stopProbe(afterPuts) });
        else reject(new Error(message.kind === 'failed' ? message.message : `an unexpected ${message.kind}`));
      };
      this.#say({ kind: 'probe', ...job });
    });
  }

  /** Ends a load before its time; its result comes as ever. */
  stop(): void {
    this.#say({ kind: 'stop', afterPuts: 0 });
  }

  close(): void {
    this.#process.disconnect();
  }

  #stopProbe(afterPuts: number): Promise<ProbeResult> {
    return new Promise((resolve, reject) => {
      this.#onExit = reject;
      this.#onMessage = (message) => {
        if (message.kind === 'probeResult') resolve(message.result);
        else reject(new Error(message.kind === 'failed' ? message.message : `an unexpected ${message.kind}`));
      };
      this.#say({ kind: 'stop', afterPuts });
    });
  }

  #say(message: ToLoad): void {
    this.#process.send(message);
  }
}
