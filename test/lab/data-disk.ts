/** The data disk of a host, mounted there at /srv/data: ext4 on a loop device over a file whose reads and writes can be made to fail. */
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Enclosure } from './enclosure.ts';

/** Times in milliseconds added to each request, ratios from 0 to 1. */
export interface DiskFaults {
  readonly readMs?: number;
  readonly writeMs?: number;
  readonly flushMs?: number;
  readonly readErrorRatio?: number;
  readonly writeErrorRatio?: number;
  readonly flushErrorRatio?: number;
  /** [offset, length] in bytes of the disk: a request that touches them fails. */
  readonly badRanges?: readonly (readonly [number, number])[];
  /** Requests wait until this is taken back. */
  readonly stalled?: boolean;
  /** Acknowledges writes and forgets them. */
  readonly dropsWrites?: boolean;
}

export interface DiskCounts {
  readonly read: number;
  readonly write: number;
  readonly flush: number;
  readonly failed: number;
  readonly dropped: number;
}

export class DataDisk {
  readonly #enclosure: Enclosure;
  /** The host's, on this machine. */
  readonly #folder: string;

  constructor(enclosure: Enclosure, folder: string) {
    this.#enclosure = enclosure;
    this.#folder = folder;
  }

  /** In place of the faults before; `{}` heals. What the host's page cache holds is still read without the disk. */
  async fail(faults: DiskFaults): Promise<void> {
    await writeFile(this.#seenFromOutside('faults'), JSON.stringify(faults));
  }

  async faults(): Promise<DiskFaults> {
    return JSON.parse(await readFile(this.#seenFromOutside('faults'), 'utf8')) as DiskFaults;
  }

  /** Of all requests since the host was made. */
  async counts(): Promise<DiskCounts> {
    return JSON.parse(await readFile(this.#seenFromOutside('counts'), 'utf8')) as DiskCounts;
  }

  /** Refused by the kernel while a file is open for writing. */
  async setReadOnly(readOnly: boolean): Promise<void> {
    await this.#enclosure.run(['mount', '-o', `remount,${readOnly ? 'ro' : 'rw'}`, this.#mountPoint]);
  }

  /** As if ext4 had found damage: it goes read-only until the next boot, which repairs it. */
  async reportError(): Promise<void> {
    const { device } = await this.#mounted();
    await writeFile(`/sys/fs/ext4/${basename(device)}/trigger_fs_error`, 'lab');
  }

  /** Leaves no block free, not even for the superuser; `free` gives them back. */
  async fill(): Promise<void> {
    // What was written but has no place yet gets it at a sync, which may leave a few blocks.
    const fill =
      'cd "$0"; for size in 1M 1k 1k; do dd if=/dev/zero of=.fill-$((++n)) bs=$size; sync -f .; done 2>/dev/null';
    await this.#enclosure.run(['bash', '-c', fill, this.#mountPoint]);
  }

  async free(): Promise<void> {
    await this.#enclosure.run(['bash', '-c', 'rm -f "$0"/.fill-*', this.#mountPoint]);
  }

  /** MAJOR:MINOR of the block device. */
  async deviceNumber(): Promise<string> {
    return (await this.#mounted()).number;
  }

  get #mountPoint(): string {
    return join(this.#folder, 'data');
  }

  async #mounted(): Promise<{ device: string; number: string }> {
    const found = await this.#enclosure.run([
      'findmnt',
      '--noheadings',
      '--output',
      'SOURCE,MAJ:MIN',
      this.#mountPoint,
    ]);
    const [device = '', number = ''] = found.trim().split(/\s+/);
    return { device, number };
  }

  #seenFromOutside(file: string): string {
    return join('/proc', String(this.#enclosure.process.pid), 'root', this.#folder, 'disk', file);
  }
}
