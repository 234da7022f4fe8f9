/** Every way in which talking to a host fails, in one typed error that says where, what was run, and what to do next. */
import type { OfferedHostKey } from './known-hosts.ts';

export type SshErrorKind =
  /** No route, no such name, network down: nothing was run. */
  | 'unreachable'
  /** Something answered "connection refused": nothing was run. */
  | 'refused'
  /** Nothing was run: the time was up before the command could be sent. */
  | 'timeout'
  | 'authFailed'
  /** The only key to log in with, on this computer: the host was not contacted. */
  | 'keyFileUnreadable'
  /** The only key to log in with is encrypted, and what opens it was not given or is wrong. */
  | 'passphraseNeeded'
  | 'hostKeyUnknown'
  | 'hostKeyChanged'
  | 'hostKeyRevoked'
  /** The operator's SSH configuration cannot be used as it stands: the host was not contacted. */
  | 'badConfiguration'
  /** The host is to be reached with the system's ssh, and there is none that can be used. */
  | 'noSshClient'
  /** The connection ended before the command could be sent: nothing was run. */
  | 'connectionLost'
  /** The command ran to its end with an exit code that was not expected, or was killed by a signal. */
  | 'commandFailed'
  /** The command was sent, and its end was never seen: read back before deciding. `cause` says why. */
  | 'outcomeUnknown'
  | 'outputTooLarge'
  /** The caller's signal was aborted. A command that had been sent may have run. */
  | 'aborted'
  | 'diskFull'
  /** What arrived on the host has not the digest of what was sent, twice in a row. */
  | 'uploadCorrupted'
  | 'localFile'
  /** The login may not have root's rights: nothing was run. */
  | 'sudoRefused'
  /** sudo asks for a password that was not given or is wrong: nothing was run. */
  | 'sudoPasswordNeeded'
  /** What came is not SSH, or no algorithm is shared. */
  | 'protocol';

/** Longest stderr that an error carries, bytes; the end is kept. */
export const MAX_ERROR_STDERR_BYTES = 4096;
const MAX_ERROR_COMMAND_CHARACTERS = 2000;

export interface SshErrorDetails {
  kind: SshErrorKind;
  /** What happened, without host, command and next step: these are added. */
  problem: string;
  /** "name (user@address:port)". */
  host: string;
  nextStep: string;
  command?: string | undefined;
  exitCode?: number | null | undefined;
  stderr?: string | undefined;
  offeredKey?: OfferedHostKey | undefined;
  cause?: unknown;
}

/** `message` is one line for people: host, problem, command, last line of stderr, next step. Never a secret. */
export class SshError extends Error {
  readonly kind: SshErrorKind;
  readonly problem: string;
  readonly host: string;
  readonly command: string | null;
  /** null: no exit code was seen (never run, killed by a signal, or unknown). */
  readonly exitCode: number | null;
  /** The end of what the command wrote to stderr, at most 4 KiB; null without a command. */
  readonly stderr: string | null;
  /** Imperative sentence for the operator. */
  readonly nextStep: string;
  /** The key that the host showed; set with the `hostKey…` kinds. */
  readonly offeredKey: OfferedHostKey | null;

  constructor(details: SshErrorDetails) {
    const stderr = details.stderr === undefined ? null : tailOf(details.stderr);
    const lastLine = stderr?.trimEnd().split('\n').at(-1) ?? '';
    const said = lastLine === '' ? '' : `: ${lastLine}`;
    const ran = details.command === undefined ? '' : ` (command: ${bounded(details.command)})`;
    super(`${details.host}: ${details.problem}${said}${ran}. ${details.nextStep}`, { cause: details.cause });
    this.name = 'SshError';
    this.kind = details.kind;
    this.problem = details.problem;
    this.host = details.host;
    this.command = details.command === undefined ? null : bounded(details.command);
    this.exitCode = details.exitCode ?? null;
    this.stderr = stderr;
    this.nextStep = details.nextStep;
    this.offeredKey = details.offeredKey ?? null;
  }
}

/** Kinds that trying again cannot cure: somebody has to decide something first. */
export function needsOperator(error: SshError): boolean {
  return [
    'authFailed',
    'keyFileUnreadable',
    'passphraseNeeded',
    'hostKeyUnknown',
    'hostKeyChanged',
    'hostKeyRevoked',
    'sudoRefused',
    'sudoPasswordNeeded',
    'badConfiguration',
    'noSshClient',
  ].includes(error.kind);
}

function tailOf(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= MAX_ERROR_STDERR_BYTES) return text;
  return `…${bytes.subarray(bytes.length - MAX_ERROR_STDERR_BYTES + 8).toString('utf8')}`;
}

function bounded(command: string): string {
  return command.length <= MAX_ERROR_COMMAND_CHARACTERS
    ? command
    : `${command.slice(0, MAX_ERROR_COMMAND_CHARACTERS)}…`;
}
