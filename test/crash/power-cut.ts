/**
 * What a power cut leaves behind. A process that is killed leaves all it wrote, since the kernel still has it; the power cut
 * is simulated by taking back, sector by sector, what the journal of its writes does not call on disk. So it is true to what
 * node and kernel promise each other about written bytes, for any format; it does not take back names and sizes of files, and
 * the disk itself keeps what it called written.
 */
import { closeSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { TestNode } from '../fixtures/test-cluster.ts';
import type { Random } from '../simulation/random.ts';
import { type JournalLine, LAST_WRITE } from './write-journal.ts';

const SECTOR_BYTES = 512;
const WRITES_WITHIN_MS = 1000;
const JOURNAL = /^journal\./;

type Write = Extract<JournalLine, { kind: 'write' }>;

export interface Damage {
  /** Writes that were not on disk. */
  readonly writes: number;
  readonly sectorsLost: number;
  readonly sectorsKept: number;
}

/** Has the node's writes noted from its next start on. */
export function noteWrites(node: TestNode): void {
  node.nodeOptions = ['--require', join(import.meta.dirname, 'write-journal.ts')];
  node.startsWith = ['env', `SYNOD_JOURNAL_OF=${join(node.dir, 'data')}`];
}

/** Kills the node, if it writes anything in time at a moment when that is not on disk yet. */
export async function killInWrite(node: TestNode): Promise<void> {
  const trigger = join(node.dir, LAST_WRITE);
  closeSync(openSync(trigger, 'w'));
  await Promise.race([node.exited(), pause(WRITES_WITHIN_MS)]);
  await node.kill();
  rmSync(trigger);
}

/**
 * Cuts the power of a node that was killed: all that was not on disk is lost, kept, kept up to a sector, or sectors of it at
 * random. `forget`: that many writes to each file are lost on top although they were on disk, as no honest disk does.
 */
export function cutPower(node: TestNode, random: Random, { forget = 0 } = {}): Damage {
  const paths = pathsByInode(join(node.dir, 'data'));
  const damage = { writes: 0, sectorsLost: 0, sectorsKept: 0 };
  for (const name of readdirSync(node.dir).filter((file) => JOURNAL.test(file))) {
    const journal = join(node.dir, name);
    for (const [file, writes] of writesToTakeBack(readFileSync(journal, 'utf8'), forget)) {
      const path = paths.get(file);
      if (path === undefined || writes.length === 0) continue;
      damage.writes += writes.length;
      const isKept = forget > 0 ? () => false : fateOfSectors(random, writes);
      takeBack(path, writes, (sector) => {
        const kept = isKept(sector);
        damage[kept ? 'sectorsKept' : 'sectorsLost']++;
        return kept;
      });
    }
    rmSync(journal);
  }
  return damage;
}

function pathsByInode(folder: string): Map<number, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(files.map(({ parentPath, name }) => [statSync(join(parentPath, name)).ino, join(parentPath, name)]));
}

/** By file, in the order in which they were made. */
function writesToTakeBack(journal: string, forget: number): Map<number, Write[]> {
  // A line cut short by the kill is one of a write that was not begun.
  const lines = journal
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as JournalLine);
  const onDisk = new Set(lines.flatMap((line) => (line.kind === 'onDisk' ? line.number : [])));
  const synced = new Map(lines.flatMap((line) => (line.kind === 'synced' ? [[line.file, line.upTo] as const] : [])));
  const writes = lines.filter((line) => line.kind === 'write');
  const isOnDisk = ({ number, file }: Write) => onDisk.has(number) || number <= (synced.get(file) ?? 0);
  const byFile = Map.groupBy(writes, ({ file }) => file);
  for (const [file, all] of byFile) {
    const unsynced = all.filter((write) => !isOnDisk(write)).length;
    byFile.set(file, unsynced + forget === 0 ? [] : all.slice(-(unsynced + forget)));
  }
  return byFile;
}

function fateOfSectors(random: Random, writes: readonly Write[]): (sector: number) => boolean {
  const fate = random.pick(['lost', 'kept', 'prefix', 'scattered', 'scattered'] as const);
  const sectors = writes.flatMap(sectorsOf);
  const end = random.integer(Math.min(...sectors), Math.max(...sectors));
  const decided = new Map<number, boolean>();
  return (sector) => {
    if (fate === 'prefix') return sector < end;
    if (fate !== 'scattered') return fate === 'kept';
    if (!decided.has(sector)) decided.set(sector, random.chance(0.5));
    return decided.get(sector) === true;
  };
}

function sectorsOf({ at, bytes }: Write): number[] {
  const first = Math.floor(at / SECTOR_BYTES);
  return Array.from({ length: Math.ceil((at + bytes) / SECTOR_BYTES) - first }, (_, index) => first + index);
}

function takeBack(path: string, writes: readonly Write[], isKept: (sector: number) => boolean): void {
  const descriptor = openSync(path, 'r+');
  for (const write of writes.toReversed()) {
    const old = Buffer.alloc(write.bytes);
    Buffer.from(write.old, 'base64').copy(old);
    for (const sector of sectorsOf(write)) {
      if (isKept(sector)) continue;
      const from = Math.max(write.at, sector * SECTOR_BYTES);
      const to = Math.min(write.at + write.bytes, (sector + 1) * SECTOR_BYTES);
      writeSync(descriptor, old, from - write.at, to - from, from);
    }
  }
  closeSync(descriptor);
}
