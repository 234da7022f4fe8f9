/** A line of a node's log, as a person reads it. Pure. */
import { formatBallot } from '../../../../electron/contract/model.ts';

export interface LogLine {
  readonly raw: string;
  /** Null for what is no record of the node's logger: it is shown as it is. */
  readonly read: {
    readonly atUnixMs: number | null;
    readonly level: LogLevel;
    readonly message: string;
    /** What else the record says, but for what every line of this log repeats. */
    readonly fields: readonly (readonly [string, string])[];
  } | null;
}

const levels = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' } as const;
export type LogLevel = (typeof levels)[keyof typeof levels];

const ballots = new Set(['ballot', 'promised', 'leaderBallot']);
const repeated = new Set(['level', 'time', 'msg', 'nodeId', 'node', 'pid', 'hostname', 'sequence']);

export function readLogLine(raw: string): LogLine {
  const record = recordOf(raw);
  const level = record === null ? undefined : levels[record['level'] as keyof typeof levels];
  if (record === null || level === undefined) return { raw, read: null };
  const at = new Date(record['time'] as string | number).getTime();
  const fields = Object.entries(record)
    .filter(([name, value]) => !repeated.has(name) && value !== null)
    .map(([name, value]): [string, string] => [name, inWords(name, value)]);
  return {
    raw,
    read: { atUnixMs: Number.isNaN(at) ? null : at, level, message: String(record['msg'] ?? ''), fields },
  };
}

function recordOf(raw: string): Record<string, unknown> | null {
  if (!raw.startsWith('{')) return null;
  try {
    return JSON.parse(raw) as Record<string, unknown>;
  } catch {
    return null;
  }
}

function inWords(name: string, value: unknown): string {
  if (ballots.has(name) && typeof value === 'number') return formatBallot(value);
  if (typeof value !== 'object') return String(value);
  // Errors come with their stack, which the raw line has.
  const { message } = value as { message?: unknown };
  return typeof message === 'string' ? message : JSON.stringify(value);
}
