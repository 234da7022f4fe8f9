/**
 * Runs the pure core: gives it the inputs of one event-loop turn together, and obeys its effects. A message that vows
 * something waits here until what it vows is on disk.
 */
import { crc32 } from 'node:zlib';
import type { MemberSlot, Slot } from '../contract/ballot.ts';
import type { Entry, PeerMessage, RequestId } from '../contract/peer.ts';
import type { Applied } from '../machine/machine.ts';
import type { CoreEvent, CoreStatus, Effect, Input } from '../paxos/interface.ts';
import { EntryDamagedError, LogTrimmedError } from '../storage/errors.ts';
import type { AppendedRecord } from '../storage/log/planner.ts';
import { HeldMessages } from './held-messages.ts';

/** The core as the loop needs it; PaxosCore is one. */
export interface Core {
  step(input: Input, nowMs: number): Effect[];
  status(nowMs: number): CoreStatus;
}

export interface CoreSurroundings {
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  readonly log: {
    append(records: readonly AppendedRecord[]): void;
    flush(): void;
    readEntries(fromSlot: Slot, maxBytes: number): Promise<Entry[]>;
  };
  readonly apply: (slot: Slot, value: Uint8Array) => Applied | null;
  readonly peers: {
    send(to: MemberSlot, message: PeerMessage): void;
    /** What was given to `send` leaves now. */
    flush(): void;
  };
  readonly onApplied: (applied: Applied) => void;
  /** Everything up to this slot has been executed. */
  readonly onAppliedUpTo: (slot: Slot) => void;
  /** The core takes a read right now. */
  readonly onReadTaken: () => void;
  readonly onReadReady: (request: RequestId, readSlot: Slot) => void;
  readonly onRefused: (request: RequestId, reason: 'busy' | 'noLeader') => void;
  /** Whether the request was applied will never be known here. */
  readonly onLost: (request: RequestId) => void;
  readonly onEvent: (event: CoreEvent) => void;
  readonly onLogUnreadable: (error: Error) => void;
  /** A decided entry that a peer needs is damaged and no snapshot has it: only a new start can repair it. */
  readonly onEntryDamaged: (error: EntryDamagedError) => void;
  /** Slot of the newest snapshot here; 0: there is none. */
  readonly snapshotSlot: () => Slot;
  /** Gets a snapshot and submits `snapshotInstalled` or `snapshotFailed`. */
  readonly onFetchSnapshot: (from: MemberSlot, slot: Slot) => void;
  /** The core is about to be told that the machine stands at this slot: from now on it must. */
  readonly onInstall: (slot: Slot) => void;
  /** The core has taken a tick, and with it all that came before. */
  readonly onTicked: () => void;
}

/** Knowledge that may be lost waits this long for a record that must be written. */
const LAZY_FLUSH_MS = 200;

export class CoreLoop {
  readonly #core: Core;
  readonly #around: CoreSurroundings;
  #inputs: Input[] = [];
  #isDrainDue = false;
  #isTickDue = false;
  #durableUpTo = 0;
  readonly #held = new HeldMessages();
  #records: AppendedRecord[] = [];
  #mustFlush = false;
  #lazyFlush: NodeJS.Timeout | null = null;
  #isStopped = false;

  constructor(core: Core, surroundings: CoreSurroundings) {
    this.#core = core;
    this.#around = surroundings;
  }

  /**
   * Taken with everything else of this turn; a tick after everything else, so that a node whose own loop was late reads what
   * the others have sent meanwhile before it asks itself whether they are silent.
   */
  submit(input: Input): void {
    if (this.#isStopped) return;
    if (input.kind === 'tick') this.#isTickDue = true;
    else this.#inputs.push(input);
    if (this.#isDrainDue) return;
    this.#isDrainDue = true;
    setImmediate(() => {
      this.#isDrainDue = false;
      this.#drain();
    });
  }

  status(): CoreStatus {
    return this.#core.status(this.#around.nowMs());
  }

  /** Takes no input any more; what was held back is not sent. */
  stop(): void {
    this.#isStopped = true;
    this.#inputs = [];
    this.#held.clear();
    if (this.#lazyFlush) clearTimeout(this.#lazyFlush);
  }

  #drain(): void {
    this.#takeInputs();
    if (this.#isTickDue && !this.#isStopped) {
      this.#isTickDue = false;
      this.#obeyAll(this.#core.step({ kind: 'tick' }, this.#around.nowMs()));
      this.#takeInputs();
      this.#around.onTicked();
    }
    if (this.#isStopped) return;
    // Others first: they have a way to go and a disk of their own, and waking this node's disk thread may cost this one the core.
    this.#around.peers.flush();
    this.#write();
  }

  #takeInputs(): void {
    // Obeying an effect may add inputs (what was applied); they belong to this turn too.
    for (let at = 0; at < this.#inputs.length && !this.#isStopped; at++) {
      const input = this.#inputs[at] as Input;
      if (input.kind === 'durable') this.#release(input.upTo);
      if (input.kind === 'read') this.#around.onReadTaken();
      if (input.kind === 'snapshotInstalled') this.#around.onInstall(input.slot);
      this.#obeyAll(this.#core.step(input, this.#around.nowMs()));
    }
    this.#inputs = [];
  }

  #obeyAll(effects: readonly Effect[]): void {
    let appliedUpTo: Slot = 0;
    for (const effect of effects) {
      // Executing a slot may have found that this node must not go on.
      if (this.#isStopped) return;
      if (effect.kind === 'deliver') {
        this.#apply(effect.entry);
        appliedUpTo = effect.entry.slot;
      } else this.#obey(effect);
    }
    if (appliedUpTo === 0) return;
    this.#inputs.push({ kind: 'applied', upTo: appliedUpTo });
    this.#around.onAppliedUpTo(appliedUpTo);
  }

  #obey(effect: Exclude<Effect, { kind: 'deliver' }>): void {
    switch (effect.kind) {
      case 'send':
        if (effect.afterDurable <= this.#durableUpTo) return this.#around.peers.send(effect.to, effect.message);
        this.#mustFlush = true;
        return this.#held.hold(effect);
      case 'persist':
        this.#records.push({ sequence: effect.sequence, record: effect.record });
        if (effect.record.kind !== 'decided') this.#mustFlush = true;
        return;
      case 'readReady':
        return this.#around.onReadReady(effect.request, effect.readSlot);
      case 'refuse':
        return this.#around.onRefused(effect.request, effect.reason);
      case 'lost':
        return this.#around.onLost(effect.request);
      case 'readLog':
        return this.#readLog(effect);
      case 'fetchSnapshot':
        return this.#around.onFetchSnapshot(effect.from, effect.slot);
      case 'event':
        return this.#around.onEvent(effect.event);
    }
  }

  /** A value that changed since it was proposed must never reach the machine: the throw ends the process. */
  #apply({ slot, value, digest }: Entry): void {
    if (crc32(value) !== digest)
      throw new Error(`the value of slot ${slot} does not match its digest; memory is damaged`);
    const applied = this.#around.apply(slot, value);
    if (applied) this.#around.onApplied(applied);
  }

  #release(durableUpTo: number): void {
    this.#durableUpTo = Math.max(this.#durableUpTo, durableUpTo);
    for (const { to, message } of this.#held.release(this.#durableUpTo)) this.#around.peers.send(to, message);
  }

  #write(): void {
    if (this.#records.length > 0) {
      this.#around.log.append(this.#records);
      this.#records = [];
      if (!this.#mustFlush) this.#lazyFlush ??= setTimeout(() => this.#flush(), LAZY_FLUSH_MS);
    }
    if (this.#mustFlush) this.#flush();
  }

  #flush(): void {
    if (this.#lazyFlush) clearTimeout(this.#lazyFlush);
    this.#lazyFlush = null;
    this.#mustFlush = false;
    this.#around.log.flush();
  }

  #readLog({ to, fromSlot, maxBytes }: Extract<Effect, { kind: 'readLog' }>): void {
    const answer = (entries: readonly Entry[], snapshotSlot: Slot) =>
      this.submit({ kind: 'logRead', to, fromSlot, entries, snapshotSlot });
    this.#around.log.readEntries(fromSlot, maxBytes).then(
      // None: after a restart a snapshot may reach further than what the log knows to be decided.
      (entries) => answer(entries, entries.length > 0 ? 0 : this.#around.snapshotSlot()),
      (error: Error) => {
        const newest = this.#around.snapshotSlot();
        // The peers may hold the value and not know that it is chosen: then nobody else could tell them.
        if (error instanceof EntryDamagedError && error.slot > newest) return this.#around.onEntryDamaged(error);
        // Only a snapshot has them still.
        answer([], newest);
        if (!(error instanceof LogTrimmedError)) this.#around.onLogUnreadable(error);
      },
    );
  }
}
