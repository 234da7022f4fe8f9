/**
 * Runs many seeds on all cores. A worker takes the next seed when it has done one; the outcomes are put in the order of their
 * seeds, so that what is reported does not depend on who was faster.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { ControlName } from './controls.ts';
import type { Outcome } from './simulation.ts';

export interface SeedRange {
  readonly firstSeed: number;
  readonly count: number;
  /** No seed is begun after this many milliseconds; null: all are run. */
  readonly forMs: number | null;
  readonly control: ControlName | null;
  /** No seed is begun any more once so many have failed. */
  readonly maxFailures: number;
}

export interface Job {
  readonly seed: number;
  readonly control: ControlName | null;
}

export interface Done {
  readonly outcome: Outcome;
  /** Of processor time. */
  readonly tookMs: number;
}

export interface SeedResults {
  readonly outcomes: readonly Outcome[];
  /** Milliseconds of processor time that the seeds took, summed. */
  readonly busyMs: number;
}

/** Seeds given to a worker at once: enough that handing them out costs nothing. */
const BATCH = 4;

export class SeedRunner {
  readonly #workers: Worker[];

  constructor(workers = availableParallelism()) {
    this.#workers = Array.from({ length: workers }, () => new Worker(new URL('./seed-worker.ts', import.meta.url)));
  }

  async run(range: SeedRange): Promise<SeedResults> {
    const endMs = range.forMs === null ? Number.POSITIVE_INFINITY : performance.now() + range.forMs;
    const outcomes: Outcome[] = [];
    let next = 0;
    let failures = 0;
    let busyMs = 0;
    const work = async (worker: Worker): Promise<void> => {
      while (next < range.count && failures < range.maxFailures && performance.now() < endMs) {
        const jobs: Job[] = [];
        for (; jobs.length < BATCH && next < range.count; next++)
          jobs.push({ seed: range.firstSeed + next, control: range.control });
        for (const { outcome, tookMs } of await ask(worker, jobs)) {
          outcomes.push(outcome);
          busyMs += tookMs;
          if (outcome.violation !== null) failures += 1;
        }
      }
    };
    await Promise.all(this.#workers.map(work));
    return { outcomes: outcomes.sort((a, b) => a.seed - b.seed), busyMs };
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

function ask(worker: Worker, jobs: readonly Job[]): Promise<Done[]> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error) => reject(new Error('a worker of the simulator ended', { cause: error }));
    worker.once('error', onError);
    worker.once('message', (done: Done[]) => {
      worker.off('error', onError);
      resolve(done);
    });
    worker.postMessage(jobs);
  });
}
