import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EntryDamagedError, LogTrimmedError } from './errors.ts';
import { segmentFile } from './log/commands.ts';
import { EntryIndex } from './log/entry-index.ts';
import { LogReader } from './log-reader.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'synod-reader-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

/** Slots 1 to 9 are said to stand in the first segment, which is not there. */
function readerOfNothing(): { reader: LogReader; index: EntryIndex } {
  const index = new EntryIndex();
  for (let slot = 1; slot <= 9; slot++) index.accepted(slot, 1025, { segment: 1, offset: slot * 64 });
  index.decided(9);
  return { reader: new LogReader({ dataDir, index, salt: 7 }), index };
}

/** Reads slot 1, and has the log trimmed once the reader has found the slot's place. */
function readWhileTrimmed(reader: LogReader, index: EntryIndex): Promise<unknown> {
  const reading = reader.readEntries(1, 1000);
  queueMicrotask(() => queueMicrotask(() => index.trimBelow(6)));
  return reading;
}

test('a segment that is removed while it is read was trimmed, not damaged', async () => {
  const { reader, index } = readerOfNothing();
  await expect(reader.readEntries(1, 1000)).rejects.toMatchObject({ code: 'ENOENT' });
  await expect(readWhileTrimmed(reader, index)).rejects.toThrow(LogTrimmedError);
  await reader.close();
});

test('what does not check is damage only while the log still begins before it', async () => {
  const path = join(dataDir, segmentFile(1));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, Buffer.alloc(4096));
  const { reader, index } = readerOfNothing();
  await expect(reader.readEntries(1, 1000)).rejects.toThrow(EntryDamagedError);
  await expect(readWhileTrimmed(reader, index)).rejects.toMatchObject({ name: 'LogTrimmedError', firstSlot: 6 });
  await reader.close();
});
