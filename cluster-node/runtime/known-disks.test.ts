import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

it('forgets who is a member no more', async () => {
  const disks = await KnownDisks.open(dir, never);
  disks.meet(2, 'aaaa');
  disks.keep([1, 3]);
  expect(disks.meet(2, 'bbbb')).toBeNull();
  await disks.close();
});

it('does not believe a damaged note, says so, and goes on', async () => {
  const disks = await KnownDisks.open(dir, never);
  disks.meet(2, 'aaaa');
  await disks.close();
  const path = join(dir, 'peers.json');
  writeFileSync(path, readFileSync(path, 'utf8').replace('aaaa', 'aaab'));
  const troubles: unknown[] = [];
  const again = await KnownDisks.open(dir, (error) => troubles.push(error));
  expect(String(troubles[0])).toMatch(/peers\.json.*is damaged; they are met anew/);
  expect(again.meet(2, 'aaaa')).toBeNull();
  await again.close();
});
