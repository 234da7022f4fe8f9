/**
 * One node's disk under the product's log: the real planner and the real recovery over files in memory. A crash loses what was
 * not synced, except for some of it, sector by sector. Synced records are damaged (one bit, lost, or overwritten by another
 * record) only once a later write vouches for them: what one write alone did, nobody can tell from a torn one.
 */
import type { Slot } from '../../cluster-node/contract/ballot.ts';
import type { Entry } from '../../cluster-node/contract/peer.ts';
import type { DurableRecord, RecoveredState } from '../../cluster-node/paxos/interface.ts';
import { type DiskCommand, MARK_FILE, segmentFile, segmentOf } from '../../cluster-node/storage/log/commands.ts';
import { EntryIndex } from '../../cluster-node/storage/log/entry-index.ts';
import { decodeMark, newMark } from '../../cluster-node/storage/log/mark.ts';
import { LogPlanner } from '../../cluster-node/storage/log/planner.ts';
import { emptyPosition } from '../../cluster-node/storage/log/position.ts';
import { RECORD_HEADER_BYTES, saltOf } from '../../cluster-node/storage/log/record.ts';
import { entryAt, type RecoveredLog, recoverLog } from '../../cluster-node/storage/log/scan.ts';
import type { Random } from './random.ts';
import { type Damage, entriesFrom, type SimulatedDisk, type WrittenRecord } from './simulated-disk.ts';
import { Violation } from './violation.ts';

const SEGMENT_BYTES = 32 * 1024;
const BATCH_BYTES = 8 * 1024;
const MAX_VOUCHES = 10;
const SECTOR_BYTES = 512;
const DAMAGED_PAYLOAD_BYTES = 8;
const SALT = saltOf('00c0ffee00c0ffee');
/** Nothing was ever written: what a first start makes. */
const FIRST = { position: emptyPosition(SALT) };

export class LogDisk implements SimulatedDisk {
  #files = new Map<string, Uint8Array>([
    [segmentFile(1), new Uint8Array(SEGMENT_BYTES)],
    [MARK_FILE, newMark(SALT)],
  ]);
  #index = new EntryIndex();
  #planner = this.#plan(FIRST.position);
  #unsynced: WrittenRecord[] = [];
  #damaged = new Set<Slot>();

  get unsyncedCount(): number {
    return this.#unsynced.length;
  }

  get firstSlot(): Slot {
    return this.#index.firstSlot;
  }

  get damagedSlots(): ReadonlySet<Slot> {
    return this.#damaged;
  }

  write(sequence: number, record: DurableRecord | null): void {
    this.#unsynced.push({ sequence, record });
    if (record !== null) this.#planner.append([{ sequence, record }]);
  }

  /** Later records may become durable as well; nobody is told yet. */
  sync(count: number): readonly WrittenRecord[] {
    this.#run();
    const synced = this.#unsynced.splice(0, count);
    const last = synced.findLast(({ record }) => record !== null)?.sequence ?? 0;
    if (this.#planner.durableUpTo < last)
      throw new Error(`the log has record ${this.#planner.durableUpTo} of ${last} durable when it has nothing to do`);
    // It may have been damaged before anyone was told that it is there.
    for (const slot of this.#damaged) if (this.entry(slot) !== undefined) this.#damaged.delete(slot);
    return synced;
  }

  crash(random: Random): readonly WrittenRecord[] {
    if (random.chance(0.5)) this.#tear(random);
    const { promised, index } = this.#scan();
    const isThere = ({ record }: WrittenRecord) => {
      if (record?.kind === 'promised') return record.ballot <= promised;
      if (record?.kind !== 'accepted') return false;
      const place = index.find(record.entry.slot);
      const entry = place && entryAt(this.#file(segmentFile(place.segment)), place.offset, SALT);
      return entry?.ballot === record.entry.ballot;
    };
    const lucky = this.#unsynced.filter(isThere);
    this.#unsynced = [];
    return lucky;
  }

  recover(): RecoveredState {
    const { promised, decidedUpTo, accepted, faulty, index, position, settle } = this.#scan();
    for (const file of settle.remove) this.#files.delete(file);
    const settled = new Uint8Array(settle.sizeBytes);
    settled.set((this.#files.get(settle.file) ?? settled).subarray(0, settle.offset));
    this.#files.set(settle.file, settled);
    this.#index = index;
    this.#planner = this.#plan(position);
    return { promised, decidedUpTo, accepted, faulty };
  }

  recoverableUpTo(): Slot {
    return Math.min(this.#index.decidedUpTo, Math.min(...this.#damaged) - 1);
  }

  entry(slot: Slot): Entry | undefined {
    const place = this.#index.find(slot);
    const entry = place && entryAt(this.#file(segmentFile(place.segment)), place.offset, SALT);
    return entry?.slot === slot ? entry : undefined;
  }

  read(fromSlot: Slot, maxBytes: number): Entry[] | null {
    return entriesFrom(this, { fromSlot, upTo: this.#index.decidedUpTo, maxBytes });
  }

  trim(snapshotSlot: Slot): void {
    this.#planner.trim({ snapshotSlot, keepFrom: snapshotSlot + 1 });
    this.#run();
    for (const slot of this.#damaged) if (slot <= snapshotSlot) this.#damaged.delete(slot);
  }

  installSnapshot(slot: Slot): void {
    this.#planner.installSnapshot(slot);
    this.trim(slot);
  }

  damage(slot: Slot, how: Damage, random: Random): void {
    this.#run();
    for (let turns = MAX_VOUCHES; this.#planner.needsVouching; turns--) {
      if (turns === 0) throw new Violation('a log can be vouched for', `slot ${slot}`);
      this.#planner.vouch();
      this.#run();
    }
    const place = this.#index.find(slot);
    const entry = this.entry(slot);
    if (place === null || entry === undefined) return;
    this.#damaged.add(slot);
    const file = this.#file(segmentFile(place.segment));
    // Never of the record behind it.
    const payloadBytes = Math.min(DAMAGED_PAYLOAD_BYTES, entry.value.length);
    const bytes = file.subarray(place.offset, place.offset + RECORD_HEADER_BYTES + payloadBytes);
    const other = this.#index.find(slot - 1);
    if (how === 'lostWrite') bytes.fill(0);
    else if (how === 'misdirectedWrite' && other !== null)
      bytes.set(this.#file(segmentFile(other.segment)).slice(other.offset, other.offset + bytes.length));
    else {
      const at = random.integer(0, bytes.length - 1);
      bytes[at] = (bytes[at] as number) ^ (1 << random.integer(0, 7));
    }
  }

  #run(): void {
    this.#planner.flush();
    for (let command = this.#next(); command !== null; command = this.#next()) {
      this.#carryOut(command);
      this.#planner.done(command);
    }
  }

  #next(): DiskCommand | null {
    return this.#planner.next('side') ?? this.#planner.next('log');
  }

  #carryOut(command: DiskCommand): void {
    if (command.kind === 'create') this.#files.set(command.file, new Uint8Array(command.sizeBytes));
    else if (command.kind === 'remove') for (const file of command.files) this.#files.delete(file);
    else this.#file(command.file).set(command.bytes, command.offset);
  }

  /** Some of what was to be written is, and of the last write some sectors. */
  #tear(random: Random): void {
    this.#planner.flush();
    for (let whole = random.integer(0, 2); ; whole--) {
      const command = this.#next();
      if (command === null) return;
      if (whole > 0) {
        this.#carryOut(command);
        this.#planner.done(command);
        continue;
      }
      if (command.kind !== 'write') return;
      const file = this.#file(command.file);
      const { offset, bytes } = command;
      for (let at = 0; at < bytes.length; ) {
        const end = Math.min(bytes.length, at + SECTOR_BYTES - ((offset + at) % SECTOR_BYTES));
        if (random.chance(0.5)) file.set(bytes.subarray(at, end), offset + at);
        at = end;
      }
      return;
    }
  }

  #scan(): RecoveredLog {
    const mark = decodeMark(this.#file(MARK_FILE), SALT);
    if (mark === null) throw new Violation('a crash is no amnesia', 'the mark is gone');
    const segments = [...this.#files.keys()].flatMap((file) => segmentOf(file.slice(file.indexOf('/') + 1)) ?? []);
    const read = (segment: number) => this.#file(segmentFile(segment));
    const recovered = recoverLog({ segments, read }, { salt: SALT, mark, segmentBytes: SEGMENT_BYTES });
    if (recovered.amnesia !== null) throw new Violation('a crash is no amnesia', recovered.amnesia);
    return recovered;
  }

  #file(name: string): Uint8Array {
    const file = this.#files.get(name);
    if (file === undefined) throw new Error(`the simulated disk has no file ${name}`);
    return file;
  }

  #plan(position: RecoveredLog['position']): LogPlanner {
    return new LogPlanner({ segmentBytes: SEGMENT_BYTES, batchBytes: BATCH_BYTES, position, index: this.#index });
  }
}
