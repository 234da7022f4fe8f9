/** A cluster's lock and record on one host: asks the host, and reads what it says. */
import { z } from 'zod';
import type { StoredCluster, StoredHost, StoredMember } from '../../fleet/records.ts';
import { FailureError } from '../../operations/failure.ts';
import { sh } from '../../ssh/shell-command.ts';
import { SshError } from '../../ssh/ssh-error.ts';
import type { CommandLog } from '../apply/command-log.ts';
import { executorOn, type LookParts, placeOf } from '../apply/look.ts';
import { NO_FLOCK, type TruthPlace } from './host-scripts.ts';
import { type LockOwner, ownerIn } from './lock-file.ts';

export type HostParts = Pick<LookParts, 'hosts' | 'privileges'>;

export interface TruthHost {
  readonly cluster: Pick<StoredCluster, 'clusterId' | 'name' | 'place'>;
  readonly member: StoredMember;
  readonly host: StoredHost;
}

/** What a host said. */
export interface HostTruth {
  /** `own`: of this console, be it of an operation that it did not live to end. `foreign`: no lock of Synod's. */
  readonly lock: 'free' | 'own' | 'held' | 'expired' | 'foreign';
  readonly leftSeconds: number;
  /** null: there is no lock, or it cannot be read. */
  readonly owner: LockOwner | null;
  /** null: there is none. */
  readonly recordText: string | null;
}

export interface HostAnswer {
  /** null: what was asked for was done, and there was nothing more to say. */
  readonly truth: HostTruth | null;
  /** Folders that had to be made. */
  readonly made: readonly string[];
  /** The word for what was done; null: it was not. */
  readonly done: 'taken' | 'renewed' | 'written' | 'released' | null;
}

export interface HostAsk {
  /** In words, for the audit. */
  readonly what: string;
  readonly script: (at: TruthPlace) => string;
  readonly holder: string;
  readonly token: string;
  readonly signal: AbortSignal;
  readonly log: CommandLog | null;
}

const TIMEOUT_MS = 90_000;

/** Throws SshError, FailureError. */
export async function askHost(parts: HostParts, at: TruthHost, ask: HostAsk): Promise<HostAnswer> {
  const { host, cluster } = at;
  const plain = await executorOn(parts, at, ask.signal);
  const executor = ask.log === null ? plain : ask.log.watch(plain, host.name, ask.what);
  const facts = host.facts ?? (await parts.hosts.gather(host.hostId, ask.signal)).facts;
  const { clusterId } = cluster;
  const stdin = ask.script({
    place: placeOf(cluster, facts.home),
    clusterId,
    holder: ask.holder,
    token: ask.token,
  });
  try {
    const { stdout } = await executor.exec(sh`/bin/sh -s`, { stdin, timeoutMs: TIMEOUT_MS, signal: ask.signal });
    return parseAnswer(stdout);
  } catch (error) {
    throw scriptFailure(error, { host: host.name, what: ask.what });
  }
}

const lockStateSchema = z.enum(['free', 'own', 'held', 'expired', 'foreign']);

function parseAnswer(stdout: string): HostAnswer {
  const lines = stdout.split('\n').map((line) => line.split('\t'));
  const of = (key: string) => lines.filter((fields) => fields[0] === key);
  const lock = of('lock').at(-1);
  const record = of('record').at(-1);
  const done = (['taken', 'renewed', 'written', 'released'] as const).find((word) => of(word).length > 0) ?? null;
  return {
    done,
    made: of('made').map(([, path = '']) => path),
    truth: lock && record ? truthOf(lock, record) : null,
  };
}

function truthOf([, state = '', left = '', lock = '']: string[], [, record = '']: string[]): HostTruth {
  const text = (base64: string) => Buffer.from(base64, 'base64').toString('utf8');
  return {
    lock: lockStateSchema.parse(state),
    leftSeconds: Math.max(0, Number(left)),
    owner: lock === '' ? null : ownerIn(text(lock)),
    recordText: record === '' ? null : text(record),
  };
}

function scriptFailure(error: unknown, { host, what }: { host: string; what: string }): unknown {
  if (!(error instanceof SshError) || error.kind !== 'commandFailed') return error;
  const said = (error.stderr ?? '').trim().split('\n').at(-1) ?? '';
  const hasNoFlock = error.exitCode === NO_FLOCK;
  return new FailureError(
    {
      kind: hasNoFlock ? 'noFlock' : 'recordFailed',
      host,
      command: `sh -s (${what})`,
      exitCode: error.exitCode,
      stderr: error.stderr,
      message: `To ${what} failed on ${host}: ${said || `exit code ${error.exitCode}`}.`,
      nextStep: hasNoFlock ? 'Install util-linux there.' : 'Put right what the host said, then run this again.',
    },
    { cause: error },
  );
}
