/** A line of a node's log, as a person reads it. Pure. */
import { z } from 'zod';
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

const recordSchema = z.looseObject({
  level: z.literal([10, 20, 30, 40, 50, 60]),
  time: z.union([z.string(), z.number()]).optional(),
  msg: z.string().default(''),
});

export function readLogLine(raw: string): LogLine {
  const record = recordOf(raw);
  if (record === null) return { raw, read: null };
  const at = new Date(record.time ?? Number.NaN).getTime();
  const fields = Object.entries(record)
    .filter(([name, value]) => !repeated.has(name) && value !== null)
    .map(([name, value]): [string, string] => [name, inWords(name, value)]);
  const atUnixMs = Number.isNaN(at) ? null : at;
  return { raw, read: { atUnixMs, level: levels[record.level], message: record.msg, fields } };
}

function recordOf(raw: string): z.infer<typeof recordSchema> | null {
  if (!raw.startsWith('{')) return null;
  try {
    return recordSchema.safeParse(JSON.parse(raw)).data ?? null;
  } catch {
    return null;
  }
}

const errorSchema = z.object({ message: z.string() });

function inWords(name: string, value: unknown): string {
  if (ballots.has(name) && typeof value === 'number') return formatBallot(value);
  // Errors come with their stack, which the raw line has.
  const error = errorSchema.safeParse(value);
  if (error.success) return error.data.message;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
