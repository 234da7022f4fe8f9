/** A node's log: one JSON object a line on standard output, which the supervisor's file or the journal keeps. */
import { fstatSync } from 'node:fs';
import { type Logger, pino } from 'pino';

const STDOUT = 1;

export function createLogger(): Logger {
  const destination = pino.destination({ fd: STDOUT, sync: true });
  destination.on('error', () => undefined);
  const options = { base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (!isJournal(STDOUT, process.env['JOURNAL_STREAM'])) return pino(options, destination);
  return pino(options, {
    write: (line: string) => void destination.write(`<${priorityOf(line)}>${line}`),
  });
}

/** `stream` is what systemd.exec(5) says of $JOURNAL_STREAM: device and inode of what standard output was at first. */
function isJournal(fd: number, stream: string | undefined): boolean {
  const { dev, ino } = fstatSync(fd);
  return stream === `${dev}:${ino}`;
}

/** Of syslog(3), by which the journal is filtered. Every line begins with its level, in pino's numbers. */
export function priorityOf(line: string): number {
  const level = Number(/^\{"level":(\d+)/.exec(line)?.[1]);
  if (level >= 60) return 2;
  if (level >= 50) return 3;
  if (level >= 40) return 4;
  return level >= 30 ? 6 : 7;
}
