import { type Logger, pino } from 'pino';

/** Logs as JSON lines on stderr, so that stdout stays the command's own. Level by SYNOD_LOG, `warn` unless told. */
export function engineLog(): Logger {
  const level = process.env['SYNOD_LOG'] ?? 'warn';
  return pino({ level, base: null }, pino.destination({ dest: 2, sync: true }));
}
