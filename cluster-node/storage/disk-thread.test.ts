import { constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DiskThread } from './disk-thread.ts';

let root: string;
let thread: DiskThread;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'synod-thread-'));
  thread = new DiskThread(constants.O_RDWR | constants.O_DSYNC);
});
afterEach(async () => {
  await thread.close();
  rmSync(root, { recursive: true, force: true });
});

function memory(text: string): Uint8Array {
  const bytes = new Uint8Array(new SharedArrayBuffer(text.length));
  bytes.set(Buffer.from(text));
  return bytes;
}

test('writes come out where they were meant, over more memories than the thread keeps, in two files', async () => {
  const paths = [join(root, 'one'), join(root, 'two')] as const;
  for (const path of paths) writeFileSync(path, Buffer.alloc(400));
  const memories = Array.from({ length: 40 }, (_, index) => memory(`text ${String(index).padStart(4, '0')} `));
  for (const round of [0, 1])
    for (const [index, bytes] of memories.entries())
      await thread.write({ path: paths[round] as string, offset: index * 10, bytes });
  const expected = memories.map((bytes) => Buffer.from(bytes).toString()).join('');
  for (const path of paths) expect(readFileSync(path, 'utf8')).toBe(expected);
});

test('a part of a memory is written from its own beginning', async () => {
  const path = join(root, 'one');
  writeFileSync(path, Buffer.alloc(8));
  await thread.write({ path, offset: 2, bytes: memory('abcdefgh').subarray(0, 3) });
  expect(readFileSync(path).toString('latin1')).toBe('\0\0abc\0\0\0');
});

test('the error of the system comes back, and the next write is not touched by it', async () => {
  const missing = { path: join(root, 'gone'), offset: 0, bytes: memory('x') };
  await expect(thread.write(missing)).rejects.toMatchObject({ code: 'ENOENT' });
  writeFileSync(join(root, 'gone'), '..');
  await thread.write(missing);
  expect(readFileSync(join(root, 'gone'), 'utf8')).toBe('x.');
  await expect(thread.write({ path: '/dev/full', offset: 0, bytes: memory('x') })).rejects.toMatchObject({
    code: 'ENOSPC',
  });
});
