/** What clients of this node wait for: operations until they are applied here, reads until this node has caught up. */
import { NodeUnavailableError } from '../api/port.ts';
import type { Slot } from '../contract/ballot.ts';
import type { OperationResult } from '../machine/machine.ts';

/** After this time no client of the API waits for a read any more. */
const READ_LIFE_MS = 10_000;

type UnavailableReason = NodeUnavailableError['reason'];

interface Waiting<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** Calls in order of their sequence numbers, each with a deadline. */
class WaitingCalls<T> {
  readonly #calls = new Map<number, Waiting<T>>();

  get size(): number {
    return this.#calls.size;
  }
  /** The lowest sequence that is still waited for; undefined when none is. */
  get first(): number | undefined {
    return this.#calls.keys().next().value;
  }

  add(sequence: number, timeoutMs: number, onTimeout: () => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#calls.set(sequence, { resolve, reject, timer: setTimeout(onTimeout, timeoutMs) });
    });
  }

  resolve(sequence: number, value: T): void {
    this.#take(sequence)?.resolve(value);
  }

  reject(sequence: number, reason: UnavailableReason, mayHaveHappened: boolean): void {
    this.#take(sequence)?.reject(new NodeUnavailableError(reason, mayHaveHappened));
  }

  rejectAll(reason: UnavailableReason, mayHaveHappened: boolean): void {
    for (const sequence of this.#calls.keys()) this.reject(sequence, reason, mayHaveHappened);
  }

  #take(sequence: number): Waiting<T> | undefined {
    const call = this.#calls.get(sequence);
    this.#calls.delete(sequence);
    if (call) clearTimeout(call.timer);
    return call;
  }
}

interface ReadAtSlot {
  readonly sequence: number;
  readonly slot: Slot;
}

/** One question to the leader and the reads that wait for its answer. */
interface SharedRead {
  readonly readers: number[];
  readonly timer: NodeJS.Timeout;
}

export interface PendingActions {
  /** The core may stop trying. */
  abandon(sequence: number): void;
  startRead(sequence: number): void;
}

export class PendingCalls {
  readonly #actions: PendingActions;
  readonly #proposals = new WaitingCalls<OperationResult>();
  readonly #reads = new WaitingCalls<void>();
  /** Reads whose slot is known but not yet applied here. */
  #readsAtSlot: ReadAtSlot[] = [];
  #nextSequence = 1;
  /** By the sequence under which the leader is asked. */
  readonly #sharedReads = new Map<number, SharedRead>();
  /** The read that calls share until the core takes it: what is decided is looked at then. */
  #sharedRead: number | null = null;

  constructor(actions: PendingActions) {
    this.#actions = actions;
  }

  get size(): number {
    return this.#proposals.size + this.#reads.size;
  }

  /** A number for a proposal, and the one below which all proposals of this life are finished. */
  next(): { sequence: number; acknowledgedBelow: number } {
    const sequence = this.#nextSequence++;
    return { sequence, acknowledgedBelow: this.#proposals.first ?? sequence };
  }

  proposal(sequence: number, timeoutMs: number): Promise<OperationResult> {
    return this.#proposals.add(sequence, timeoutMs, () => {
      this.#proposals.reject(sequence, 'timeout', true);
      this.#actions.abandon(sequence);
    });
  }

  /** One question to the leader serves every read that starts before the core takes it (`readTaken`). */
  read(timeoutMs: number): Promise<void> {
    const sequence = this.#nextSequence++;
    this.#joinRead(sequence);
    return this.#reads.add(sequence, timeoutMs, () => this.#reads.reject(sequence, 'timeout', false));
  }

  /** An operation of this node was applied. */
  applied(sequence: number, result: OperationResult): void {
    this.#proposals.resolve(sequence, result);
  }

  /** The core takes the question now: later reads need another. */
  readTaken(): void {
    this.#sharedRead = null;
  }

  readReady(sequence: number, slot: Slot): void {
    for (const reader of this.#takeReaders(sequence)) this.#readsAtSlot.push({ sequence: reader, slot });
  }

  refused(sequence: number, reason: 'busy' | 'noLeader'): void {
    this.#proposals.reject(sequence, reason, false);
    for (const reader of this.#takeReaders(sequence)) this.#reads.reject(reader, reason, false);
  }

  /** Whether the operation was applied will never be known here. */
  lost(sequence: number): void {
    this.#proposals.reject(sequence, 'timeout', true);
  }

  /** Answers the reads that waited for slots up to this one. */
  appliedUpTo(slot: Slot): void {
    if (this.#readsAtSlot.length === 0) return;
    const later: ReadAtSlot[] = [];
    for (const read of this.#readsAtSlot) {
      if (read.slot <= slot) this.#reads.resolve(read.sequence, undefined);
      else later.push(read);
    }
    this.#readsAtSlot = later;
  }

  stop(): void {
    this.#proposals.rejectAll('stopping', true);
    this.#reads.rejectAll('stopping', false);
    this.#readsAtSlot = [];
    for (const sequence of this.#sharedReads.keys()) this.#takeReaders(sequence);
  }

  #joinRead(sequence: number): void {
    const shared = this.#sharedRead === null ? undefined : this.#sharedReads.get(this.#sharedRead);
    if (shared !== undefined) {
      shared.readers.push(sequence);
      return;
    }
    this.#sharedRead = sequence;
    const timer = setTimeout(() => {
      this.#takeReaders(sequence);
      this.#actions.abandon(sequence);
    }, READ_LIFE_MS);
    this.#sharedReads.set(sequence, { readers: [sequence], timer });
    this.#actions.startRead(sequence);
  }

  #takeReaders(sequence: number): readonly number[] {
    const shared = this.#sharedReads.get(sequence);
    if (shared === undefined) return [];
    this.#sharedReads.delete(sequence);
    clearTimeout(shared.timer);
    return shared.readers;
  }
}
