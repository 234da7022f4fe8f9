/**
 * Operations: something that was asked for, followed to its end. An operation has steps, each on one host or on the whole;
 * whoever runs it reports them here, and here they are kept (in the store), shown (to watchers) and ended.
 *
 * An operation never stays "running" by accident: when its body throws, it has failed with that failure; when the engine is
 * killed in the middle, the next engine on the same state folder marks it `unknown`, since nobody saw its end.
 */
import type { Logger } from 'pino';
import type { Operation, OperationStep } from '../../contract/model.ts';
import { newId } from '../fleet/ids.ts';
import type { FleetStore } from '../fleet/store.ts';
import { FailureError, failureOf, isAbort } from './failure.ts';
import { latest } from './latest.ts';

const PROGRESS_INTERVAL_MS = 100;

export interface StepName {
  /** null: a step of the whole operation. */
  readonly hostId: string | null;
  readonly host: string | null;
  /** A few words: "Upload runtime". Unique per host in one operation. */
  readonly step: string;
}

export interface StepResult {
  readonly state: 'succeeded' | 'unchanged' | 'skipped' | 'unknown';
  readonly detail: string | null;
}

export interface StepReport {
  /** `ratio` in [0, 1]; shown at most ten times a second. */
  progress(ratio: number, detail?: string): void;
}

/** What the body of an operation is given. */
export interface OperationRun {
  readonly operationId: string;
  /** Aborts when the operation is cancelled or the engine closes. */
  readonly signal: AbortSignal;
  /** The cluster that it is about, where that shows only on the way. */
  concerns(clusterId: string): void;
  /** Adds steps as `pending`, so that the operator sees what is to come. Known ones stay. */
  announce(steps: readonly StepName[]): void;
  /** Runs one step. What it throws is recorded as the step's failure and thrown on as a FailureError. */
  step<R extends StepResult>(name: StepName, action: (report: StepReport) => Promise<R>): Promise<R>;
}

export interface OperationSpec {
  readonly kind: Operation['kind'];
  readonly title: string;
  readonly clusterId?: string | null;
  readonly nodeId?: string | null;
}

/** Returns the outcome, one sentence; `unknown` when nobody can tell what became of it. */
export type OperationBody = (run: OperationRun) => Promise<string | { state: 'unknown'; outcome: string }>;

export class Operations {
  readonly #store: FleetStore;
  readonly #log: Logger;
  readonly #clock: () => number;
  readonly #running = new Map<string, { operation: Operation; abort: AbortController; done: Promise<void> }>();
  /** Ended ones whose end the store could not take (a full disk): the next engine finds them interrupted. */
  readonly #unstored = new Map<string, Operation>();
  readonly #listeners = new Set<(operation: Operation) => void>();

  constructor(options: { store: FleetStore; log: Logger; clock: () => number }) {
    this.#store = options.store;
    this.#log = options.log;
    this.#clock = options.clock;
    this.#endWhatWasInterrupted();
  }

  /** Starts the body at once and returns without waiting for it. Throws, with nothing begun, what the store throws. */
  begin(spec: OperationSpec, body: OperationBody): Operation {
    const operation: Operation = {
      operationId: newId('o'),
      kind: spec.kind,
      title: spec.title,
      clusterId: spec.clusterId ?? null,
      nodeId: spec.nodeId ?? null,
      state: 'running',
      startedAtUnixMs: this.#clock(),
      endedAtUnixMs: null,
      steps: [],
      outcome: null,
      failure: null,
    };
    this.#store.putOperation(operation);
    const abort = new AbortController();
    const entry = { operation, abort, done: Promise.resolve() };
    this.#running.set(operation.operationId, entry);
    this.#tell(operation);
    entry.done = this.#run(operation, abort.signal, body);
    return structuredClone(operation);
  }

  async #run(operation: Operation, signal: AbortSignal, body: OperationBody): Promise<void> {
    try {
      const result = await body(this.#runOf(operation, signal));
      operation.state = typeof result === 'string' ? 'succeeded' : result.state;
      operation.outcome = typeof result === 'string' ? result : result.outcome;
    } catch (error) {
      // A cancelled body stopped between two changes or in the middle of one: nobody knows which.
      operation.state = signal.aborted && isAbort(error) ? 'unknown' : 'failed';
      operation.failure = failureOf(error);
      operation.outcome = operation.failure.message;
      this.#log.warn({ operation: operation.operationId, kind: operation.kind, err: error }, 'operation failed');
    }
    operation.endedAtUnixMs = this.#clock();
    for (const step of operation.steps) if (step.state === 'pending') step.state = 'skipped';
    this.#running.delete(operation.operationId);
    this.#changed(operation);
  }

  #runOf(operation: Operation, signal: AbortSignal): OperationRun {
    return {
      operationId: operation.operationId,
      signal,
      concerns: (clusterId) => {
        operation.clusterId = clusterId;
        this.#changed(operation);
      },
      announce: (steps) => {
        for (const name of steps) this.#stepOf(operation, name);
        this.#changed(operation);
      },
      step: (name, action) => this.#runStep({ operation, signal, name }, action),
    };
  }

  async #runStep<R extends StepResult>(
    at: { operation: Operation; signal: AbortSignal; name: StepName },
    action: (report: StepReport) => Promise<R>,
  ): Promise<R> {
    const step = this.#stepOf(at.operation, at.name);
    at.signal.throwIfAborted();
    Object.assign(step, { state: 'running', startedAtUnixMs: this.#clock(), endedAtUnixMs: null, failure: null });
    this.#changed(at.operation);
    try {
      const result = await action(this.#reportOf(at.operation, step));
      step.state = result.state;
      step.detail = result.detail;
      return result;
    } catch (error) {
      step.state = at.signal.aborted && isAbort(error) ? 'unknown' : 'failed';
      step.failure = failureOf(error, at.name);
      step.detail = step.failure.message;
      throw isAbort(error) ? error : new FailureError(step.failure, { cause: error });
    } finally {
      step.endedAtUnixMs = this.#clock();
      step.progressRatio = null;
      this.#changed(at.operation);
    }
  }

  #reportOf(operation: Operation, step: OperationStep): StepReport {
    let shownAt = Number.NEGATIVE_INFINITY;
    return {
      progress: (ratio, detail) => {
        step.progressRatio = Math.min(1, Math.max(0, ratio));
        if (detail !== undefined) step.detail = detail;
        const now = this.#clock();
        if (now - shownAt < PROGRESS_INTERVAL_MS) return;
        shownAt = now;
        this.#tell(operation);
      },
    };
  }

  #stepOf(operation: Operation, name: StepName): OperationStep {
    const known = operation.steps.find((step) => step.hostId === name.hostId && step.step === name.step);
    if (known) return known;
    const step: OperationStep = {
      hostId: name.hostId,
      host: name.host,
      step: name.step,
      state: 'pending',
      detail: null,
      progressRatio: null,
      startedAtUnixMs: null,
      endedAtUnixMs: null,
      failure: null,
    };
    operation.steps.push(step);
    return step;
  }

  /** Throws FailureError `notFound`. */
  get(operationId: string): Operation {
    const running = this.#running.get(operationId);
    if (running) return structuredClone(running.operation);
    const ended = this.#unstored.get(operationId) ?? this.#store.getOperation(operationId);
    if (ended) return ended;
    throw new FailureError({
      kind: 'notFound',
      message: `There is no operation ${operationId}.`,
      nextStep: 'Only the last 500 operations are kept; look at the event list.',
    });
  }

  /** Running ones and the last `ended` that ended, newest first. */
  recent(ended: number): Operation[] {
    const running = this.running();
    const over = this.#store
      .listOperations(ended + running.length)
      .filter((one) => !this.#running.has(one.operationId))
      .map((one) => this.#unstored.get(one.operationId) ?? one);
    return [...running, ...over.slice(0, ended)].sort((a, b) => b.startedAtUnixMs - a.startedAtUnixMs);
  }

  /** Oldest first. */
  running(): Operation[] {
    return [...this.#running.values()].map((entry) => structuredClone(entry.operation));
  }

  /** The running operation on this cluster, if any: two must not change one cluster at once. */
  runningOn(clusterId: string): Operation | null {
    for (const entry of this.#running.values()) if (entry.operation.clusterId === clusterId) return entry.operation;
    return null;
  }

  /** The operation now and at each change; ends with it. Throws FailureError `notFound`. */
  watch(operationId: string, signal?: AbortSignal): AsyncGenerator<Operation, void, void> {
    return latest({
      read: () => this.get(operationId),
      subscribe: (onChange) => this.onChange((operation) => operation.operationId === operationId && onChange()),
      isLast: (operation) => operation.endedAtUnixMs !== null,
      signal,
    });
  }

  /** Waits for the end. Throws FailureError `notFound`. */
  async settled(operationId: string): Promise<Operation> {
    await this.#running.get(operationId)?.done;
    return this.get(operationId);
  }

  /** Calls back at each change of any operation; returns how to stop. */
  onChange(listener: (operation: Operation) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Asks every running operation to stop and waits until they have. */
  async close(): Promise<void> {
    const entries = [...this.#running.values()];
    for (const entry of entries) entry.abort.abort();
    await Promise.all(entries.map((entry) => entry.done));
  }

  /** Never throws: an operation goes on, and comes to its end, whether or not it can be written down. */
  #changed(operation: Operation): void {
    try {
      this.#store.putOperation(operation);
    } catch (error) {
      this.#log.error({ operation: operation.operationId, err: error }, 'operation not stored');
      if (operation.endedAtUnixMs !== null) this.#unstored.set(operation.operationId, operation);
    }
    this.#tell(operation);
  }

  #tell(operation: Operation): void {
    for (const listener of this.#listeners)
      try {
        listener(operation);
      } catch (error) {
        this.#log.error({ operation: operation.operationId, err: error }, 'a change of an operation was not taken in');
      }
  }

  #endWhatWasInterrupted(): void {
    for (const operation of this.#store.listRunningOperations()) {
      for (const step of operation.steps) {
        if (step.state === 'running') step.state = 'unknown';
        if (step.state === 'pending') step.state = 'skipped';
      }
      const outcome = 'The engine ended in the middle of this; how far it came was not seen.';
      this.#store.putOperation({ ...operation, state: 'unknown', endedAtUnixMs: this.#clock(), outcome });
    }
  }
}
