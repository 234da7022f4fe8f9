/** For tests: a storage on real files that tells when a sequence is durable. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Entry } from '../contract/peer.ts';
import type { DurableRecord } from '../paxos/interface.ts';
import { segmentOf } from './log/commands.ts';
import { openStorage, type Storage } from './storage.ts';

const identity = { clusterId: 'c-test0001', nodeId: 'n-test0001', memberSlot: 1 };

/** A storage that tells when a sequence is durable. */
export async function open(dataDir: string) {
  let durableUpTo = 0;
  let waiting: { sequence: number; resolve: () => void }[] = [];
  const stalls: boolean[] = [];
  let sequence = 0;
  const storage = await openStorage({
    dataDir,
    birthPath: `${dataDir}-born.json`,
    identity,
    events: {
      onDurable: (upTo) => {
        durableUpTo = upTo;
        for (const waiter of waiting) if (waiter.sequence <= upTo) waiter.resolve();
        waiting = waiting.filter((waiter) => waiter.sequence > upTo);
      },
      onStalled: (isStalled) => stalls.push(isStalled),
      onFatal: (error) => {
        throw error;
      },
    },
  });
  const write = (...records: DurableRecord[]): Promise<void> => {
    storage.append(records.map((record) => ({ sequence: ++sequence, record })));
    storage.flush();
    const last = sequence;
    return new Promise((resolve) =>
      last <= durableUpTo ? resolve() : waiting.push({ sequence: last, resolve: () => resolve() }),
    );
  };
  return { storage, write, stalls };
}

export function entry(slot: number, ballot: number, text: string): Entry {
  const value = new Uint8Array(Buffer.from(text));
  return { slot, ballot, value, digest: crc32(value) };
}
export const accepted = (slot: number, ballot: number, text: string): DurableRecord => ({
  kind: 'accepted',
  entry: entry(slot, ballot, text),
});

export async function readAll(storage: Storage, maxBytes: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (;;) {
    const page = await storage.readEntries(entries.length + 1, maxBytes);
    if (page.length === 0) return entries;
    entries.push(...page);
  }
}

/** A file system of 40 MiB in a new folder of `parent`, to be unmounted; null without the right to mount one. */
export function mountSmall(parent: string): string | null {
  const path = mkdtempSync(join(parent, 'small-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', path], { stdio: 'ignore' });
    return path;
  } catch {
    return null;
  }
}

/** Where the records of the first segment stand that hold these values. */
export function offsetsOf(path: string, ...texts: string[]): number[] {
  const file = readFileSync(path);
  return texts.map((text) => file.indexOf(text) - 64);
}

/** The offset after the last byte of the newest segment that is not zero. */
export function endOfLog(dataDir: string): number {
  return readFileSync(segmentPaths(dataDir).at(-1) as string).findLastIndex((byte) => byte !== 0) + 1;
}

export function segmentPaths(dataDir: string): string[] {
  const logDir = join(dataDir, 'log');
  return readdirSync(logDir)
    .filter((name) => segmentOf(name) !== null)
    .sort()
    .map((name) => join(logDir, name));
}
