import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BackupWriter, readBackup } from './backup-file.ts';

describe('a backup file', () => {
  let folder = '';
  let path = '';
  const about = {
    formatVersion: 1,
    clusterId: 'c-00000001',
    clusterName: 'orders',
    nodeName: 'node-2',
    nodeVersion: '0.1.0',
    slot: 12,
    revision: 7,
    createdAtUnixMs: 0,
  } as const;
  const write = async () => {
    const file = await open(path, 'w');
    const writer = new BackupWriter(file);
    for (const piece of ['one', 'two', 'three']) await writer.add(Buffer.from(piece));
    return writer.finish(about).finally(() => file.close());
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sy-backup-'));
    path = join(folder, 'a.backup');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('gives back what was put into it', async () => {
    const manifest = await write();
    expect(manifest).toMatchObject({ ...about, snapshotBytes: 11 });
    const pieces: Uint8Array[] = [];
    expect(await readBackup(path, async (bytes) => void pieces.push(bytes))).toEqual(manifest);
    expect(Buffer.concat(pieces).toString()).toBe('onetwothree');
  });

  it('is refused with any byte changed, missing or added', async () => {
    await write();
    const whole = readFileSync(path);
    const refused = async (bytes: Uint8Array, what: string) => {
      writeFileSync(path, bytes);
      await expect(readBackup(path), what).rejects.toMatchObject({ failure: { kind: 'badBackup' } });
    };
    for (let at = 0; at < whole.length; at++) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ 0x40;
      await refused(changed, `byte ${at} changed`);
      await refused(whole.subarray(0, at), `cut at ${at}`);
    }
    await refused(Buffer.concat([whole, Buffer.from('x')]), 'a byte behind it');
    writeFileSync(path, whole);
    expect(await readBackup(path)).toMatchObject(about);
  });

  it('names the file that is not there', async () => {
    await expect(readBackup(path)).rejects.toThrow(`${path} cannot be used as a backup`);
  });
});
