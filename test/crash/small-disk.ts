/**
 * A real file system of its own for one node, small enough to fill: ext4 on a loop device, or tmpfs where there are none. It is
 * mounted in a mount namespace that only the node's process is in, so that it is gone with the process, however that ends.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { TestNode } from '../fixtures/test-cluster.ts';

/** Two segments of the log and a little more. */
const DISK_MIB = 48;
const BALLAST = 'ballast';
const MOUNT_ONLY = 'mount "$@"';
const MOUNT_AND_START = 'mount $MOUNT_OPTIONS "$0" "$1" && shift && exec "$@"';

export class SmallDisk {
  readonly kind: 'ext4' | 'tmpfs';
  readonly #node: TestNode;
  readonly #folder: string;

  private constructor(node: TestNode, kind: 'ext4' | 'tmpfs') {
    this.#node = node;
    this.kind = kind;
    this.#folder = join(node.dir, 'disk');
  }

  /** Before the node's first start. null where nothing can be mounted (only root can). */
  static under(node: TestNode): SmallDisk | null {
    const folder = join(node.dir, 'disk');
    const image = join(node.dir, 'disk.ext4');
    mkdirSync(folder);
    const descriptor = openSync(image, 'w');
    ftruncateSync(descriptor, DISK_MIB * 1024 * 1024);
    closeSync(descriptor);
    spawnSync('mkfs.ext4', ['-q', '-F', image]);
    const kinds = {
      ext4: ['-o', 'loop', image, folder],
      tmpfs: ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'tmpfs', folder],
    };
    for (const kind of ['ext4', 'tmpfs'] as const) {
      const tried = spawnSync('unshare', ['--mount', 'sh', '-c', MOUNT_ONLY, 'sh', ...kinds[kind]]);
      if (tried.status !== 0) continue;
      const [source, target] = kinds[kind].slice(-2) as [string, string];
      const options = kinds[kind].slice(0, -2).join(' ');
      const script = MOUNT_AND_START.replace('$MOUNT_OPTIONS', options);
      node.startsWith = ['unshare', '--mount', 'sh', '-c', script, source, target];
      node.editConfig((config) => Object.assign(config, { dataDir: 'disk/data' }));
      return new SmallDisk(node, kind);
    }
    return null;
  }

  /** Leaves no room: what there was is in this file, by default one that is not the node's. */
  fill(file = BALLAST): void {
    const descriptor = openSync(this.#seen(file), 'a');
    for (let bytes = 1024 * 1024; bytes >= 512; bytes /= 2)
      try {
        for (;;) writeSync(descriptor, Buffer.alloc(bytes));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    closeSync(descriptor);
  }

  free(): void {
    rmSync(this.#seen(BALLAST));
  }

  has(file: string): boolean {
    return existsSync(this.#seen(file));
  }

  /** As the node's process sees it. */
  #seen(file: string): string {
    return join('/proc', String(this.#node.pid), 'root', this.#folder, file);
  }
}
