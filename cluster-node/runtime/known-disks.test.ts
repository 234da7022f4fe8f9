import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { KnownDisks } from './known-disks.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'synod-known-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const never = (error: unknown) => {
  throw error;
};

it('knows a disk again, after a restart too, and turns another one away', async () => {
  const first = await KnownDisks.open(dir, never);
  expect(first.meet(2, 'aaaa')).toBeNull();
  expect(first.meet(3, 'bbbb')).toBeNull();
  expect(first.meet(2, 'aaaa')).toBeNull();
  await first.close();
  const second = await KnownDisks.open(dir, never);
  expect(second.meet(2, 'aaaa')).toBeNull();
  expect(second.meet(3, 'cccc')).toMatch(/member 3 comes with another disk \(cccc\) than it had \(bbbb\)/);
  await second.close();
});

it('does not guess when the note is damaged', async () => {
  writeFileSync(join(dir, 'peers.json'), '{"disks": 3}');
  await expect(KnownDisks.open(dir, never)).rejects.toThrow(/peers\.json.*cannot be read/);
});
