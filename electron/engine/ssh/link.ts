/** One connection that stands, whatever carries it (`ssh2-link.ts`). */
import type { Duplex, Readable, Writable } from 'node:stream';
import type { ShellCommand } from './shell-command.ts';
import { SshError } from './ssh-error.ts';
import type { SshTarget } from './target.ts';

/** Opens a byte stream to the target by its `via`; Throws SshError. */
export type OpenWay = (target: SshTarget, signal: AbortSignal | undefined) => Promise<Duplex>;

export interface CommandExit {
  code: number | null;
  signal: string | null;
}

/** A channel with the command in it already started. `stdout` and `stderr` must both be read. */
export interface RunningCommand {
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  /** null until the exit code or signal has come. */
  exit: CommandExit | null;
  /** Resolves when the channel is over and its streams have been read to their end. */
  closed: Promise<void>;
  /** Ends the command on the host (SIGTERM to its group) and closes the channel: sshd would let it run on. */
  stop: () => void;
  /** Closes the channel; what runs in it sees its stdin end. */
  close: () => void;
}

export interface Link {
  /** Throws SshError `connectionLost` where the command is certain not to have run; see `isSessionShortage`. */
  start: (command: ShellCommand) => Promise<RunningCommand>;
  /** A byte stream from the host to a place that it can reach. Throws SshError. */
  forward: (place: { address: string; port: number }) => Promise<Duplex>;
  /** What ended the connection so far; null: nothing did. `cause`: the host or the client said why. */
  ending: () => { readonly cause: Error | undefined } | null;
  /** Called once, when it has ended. */
  onEnd: (listener: () => void) => void;
  /** Says goodbye; `destroy` does not wait for that. */
  close: () => void;
  destroy: () => void;
}

/** True: the host has no session free on this connection at the moment (MaxSessions); nothing was run. */
export function isSessionShortage(error: unknown): boolean {
  // RFC 4254, 5.1: 2 is "connect failed", which is how sshd refuses a session too many; 4 is "resource shortage".
  const reason = error instanceof SshError ? (error.cause as { reason?: number } | undefined)?.reason : undefined;
  return reason === 2 || reason === 4;
}

export function notStarted(place: { host: string; command: ShellCommand }, cause: unknown): SshError {
  return new SshError({
    kind: 'connectionLost',
    ...place,
    problem: 'the host did not open a channel for the command',
    nextStep: 'Nothing was run. Try again; if it stays so, look at MaxSessions and the log of the SSH server.',
    cause,
  });
}
