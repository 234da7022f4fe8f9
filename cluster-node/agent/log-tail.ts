/** The last lines of a node's log, read from its end backwards, so that the cost does not grow with the log. */
import { open } from 'node:fs/promises';
import { defaultLogBounds, logFiles } from '../supervisor/node-log.ts';

const CHUNK_BYTES = 64 * 1024;
/** Of all lines together: what goes into one line of the protocol, with room for JSON's escapes. */
export const TOTAL_BYTES_AT_MOST = 400 * 1024;
const LINE_CHARACTERS_AT_MOST = 8 * 1024;

/** At most `lines` lines, oldest first; goes on into the older files of a log that was turned over. Empty without a log. */
export async function tailLogFile(path: string, lines: number): Promise<string[]> {
  let tail: string[] = [];
  let bytesLeft = TOTAL_BYTES_AT_MOST;
  for (const file of logFiles(path, defaultLogBounds.files)) {
    if (tail.length >= lines || bytesLeft <= 0) break;
    const older = await tailFile(file, lines - tail.length, bytesLeft);
    bytesLeft -= older.readBytes;
    tail = [...older.lines, ...tail];
  }
  return tail;
}

async function tailFile(path: string, lines: number, bytesAtMost: number) {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (!file) return { lines: [], readBytes: 0 };
  try {
    const { size } = await file.stat();
    let bytes = Buffer.alloc(0);
    let start = size;
    // One newline more than lines are wanted: the last line has one at its end.
    while (start > 0 && size - start < bytesAtMost && countNewlines(bytes) <= lines) {
      const length = Math.min(CHUNK_BYTES, start, bytesAtMost - (size - start));
      const chunk = Buffer.alloc(length);
      const { bytesRead } = await file.read(chunk, 0, length, start - length);
      bytes = Buffer.concat([chunk.subarray(0, bytesRead), bytes]);
      start -= length;
    }
    const whole = start === 0 ? bytes : bytes.subarray(bytes.indexOf(10) + 1);
    const split = whole.toString('utf8').split('\n');
    if (split.at(-1) === '') split.pop();
    return { lines: split.slice(-lines).map(shortenLine), readBytes: size - start };
  } finally {
    await file.close();
  }
}

function countNewlines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) count += 1;
  return count;
}

export function shortenLine(line: string): string {
  if (line.length <= LINE_CHARACTERS_AT_MOST) return line;
  return `${line.slice(0, LINE_CHARACTERS_AT_MOST)}… (${line.length} characters)`;
}
