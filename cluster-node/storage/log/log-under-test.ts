/**
 * For tests: the planner over files in memory, with a history that a real acceptor could have written, and the truth of what
 * of it must not be forgotten.
 */
import type { Ballot, Slot } from '../../contract/ballot.ts';
import { digestOf } from '../../contract/digest.ts';
import type { Entry } from '../../contract/peer.ts';
import type { DurableRecord } from '../../paxos/interface.ts';
import { type DiskCommand, MARK_FILE, segmentFile, segmentOf } from './commands.ts';
import { EntryIndex } from './entry-index.ts';
import { decodeMark, newMark } from './mark.ts';
import { LogPlanner } from './planner.ts';
import { emptyPosition } from './position.ts';
import { saltOf } from './record.ts';
import { entryAt, type RecoveredLog, recoverLog } from './scan.ts';

export const SEGMENT_BYTES = 8 * 1024;
const BATCH_BYTES = 2 * 1024;
const SALT = saltOf('00c0ffee00c0ffee');

/** Small, fast, seeded: mulberry32. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

export class LogUnderTest {
  files = new Map<string, Uint8Array>();
  planner: LogPlanner;
  index: EntryIndex;
  promised: Ballot = 0;
  decidedUpTo: Slot = 0;
  baseSlot: Slot = 0;
  keptFrom: Slot = 1;
  readonly accepted = new Map<Slot, Entry>();
  sequence = 0;
  #unacknowledged: { readonly sequence: number; readonly record: DurableRecord }[] = [];

  constructor() {
    this.files.set(segmentFile(1), new Uint8Array(SEGMENT_BYTES));
    this.files.set(MARK_FILE, newMark(SALT));
    this.index = new EntryIndex();
    this.planner = this.#plan(emptyPosition(SALT));
  }

  append(record: DurableRecord): void {
    this.sequence += 1;
    this.#unacknowledged.push({ sequence: this.sequence, record });
    this.planner.append([{ sequence: this.sequence, record }]);
  }

  /** Carries out whatever is asked for; with `untilWrites`, stops before the log's write of that count and gives it back. */
  run(untilWrites = Number.POSITIVE_INFINITY): DiskCommand | null {
    this.planner.flush();
    for (let writes = 0; ; ) {
      const command = this.planner.next('side') ?? this.planner.next('log');
      if (command === null) return null;
      if (command.lane === 'log' && ++writes >= untilWrites) return command;
      this.carryOut(command);
      this.planner.done(command);
      this.#acknowledge();
    }
  }

  /** Writes everything down and vouches for it, as at a clean stop. */
  stop(): void {
    this.run();
    while (this.planner.needsVouching) {
      this.planner.vouch();
      this.run();
    }
  }

  carryOut(command: DiskCommand): void {
    if (command.kind === 'create') this.files.set(command.file, new Uint8Array(command.sizeBytes));
    else if (command.kind === 'remove') for (const file of command.files) this.files.delete(file);
    else (this.files.get(command.file) as Uint8Array).set(command.bytes, command.offset);
  }

  recover(): RecoveredLog {
    const mark = decodeMark(this.files.get(MARK_FILE) as Uint8Array, SALT);
    if (mark === null) throw new Error('no mark');
    const segments = [...this.files.keys()].map((file) => segmentOf(file.slice(4))).filter((found) => found !== null);
    const read = (segment: number) => this.files.get(segmentFile(segment)) as Uint8Array;
    return recoverLog({ segments, read }, { salt: SALT, mark, segmentBytes: SEGMENT_BYTES });
  }

  /** A new life after `recovered`. */
  restart({ settle, position, index }: RecoveredLog): void {
    for (const file of settle.remove) this.files.delete(file);
    const file = new Uint8Array(settle.sizeBytes);
    file.set((this.files.get(settle.file) as Uint8Array).subarray(0, settle.offset));
    this.files.set(settle.file, file);
    this.index = index;
    this.planner = this.#plan(position);
    this.sequence = 0;
    this.#unacknowledged = [];
  }

  entry(slot: Slot): Entry | null {
    const place = this.index.find(slot);
    const file = place && this.files.get(segmentFile(place.segment));
    return place && file ? entryAt(file, place.offset, SALT) : null;
  }

  #plan(position: ReturnType<typeof emptyPosition>): LogPlanner {
    return new LogPlanner({ segmentBytes: SEGMENT_BYTES, batchBytes: BATCH_BYTES, position, index: this.index });
  }

  #acknowledge(): void {
    const { durableUpTo } = this.planner;
    while ((this.#unacknowledged[0]?.sequence ?? Number.POSITIVE_INFINITY) <= durableUpTo) {
      const { record } = this.#unacknowledged.shift() as { record: DurableRecord };
      if (record.kind === 'promised') this.promised = Math.max(this.promised, record.ballot);
      else if (record.kind === 'accepted') this.accepted.set(record.entry.slot, record.entry);
      else this.decidedUpTo = Math.max(this.decidedUpTo, record.upTo);
    }
  }
}

/** An acceptor's life: ballots rise, undecided slots may get another value with each, decided ones never. */
export class History {
  readonly #random: (below: number) => number;
  #ballot = 1025;
  #next = 1;
  #decided = 0;
  readonly #values = new Map<Slot, Uint8Array>();

  constructor(random: (below: number) => number) {
    this.#random = random;
  }

  step(log: LogUnderTest): void {
    const random = this.#random;
    const kind = random(12);
    if (kind === 0) {
      this.#ballot += 1024 * (1 + random(3));
      log.append({ kind: 'promised', ballot: this.#ballot });
    } else if (kind === 1 && this.#decided < this.#next - 1) {
      this.#decided += 1 + random(this.#next - 1 - this.#decided);
      log.append({ kind: 'decided', upTo: this.#decided });
    } else if (kind === 2 && this.#decided < this.#next - 1) {
      // A new leader proposes everything undecided again, perhaps with other values.
      this.#ballot += 1024;
      for (let slot = this.#decided + 1; slot < this.#next; slot++) this.#accept(log, slot, random(2) === 0);
    } else {
      for (let count = random(6); count >= 0; count--) this.#accept(log, this.#next++, true);
    }
  }

  get decidedUpTo(): Slot {
    return this.#decided;
  }

  /** After a crash nothing is known but what survived. */
  resume(recovered: RecoveredLog): void {
    this.#ballot = Math.max(this.#ballot, recovered.promised) + 1024;
    this.#decided = recovered.decidedUpTo;
    this.#next = Math.max(recovered.decidedUpTo, recovered.accepted.at(-1)?.slot ?? 0) + 1;
  }

  #accept(log: LogUnderTest, slot: Slot, isNewValue: boolean): void {
    let value = this.#values.get(slot);
    if (value === undefined || isNewValue)
      value = Uint8Array.from({ length: this.#random(120) }, () => this.#random(256));
    this.#values.set(slot, value);
    log.append({ kind: 'accepted', entry: { slot, ballot: this.#ballot, value, digest: digestOf(value) } });
  }
}
