/** A running command with its streams, for as long as its connection lives. */
import type { Readable, Writable } from 'node:stream';
import type { RunningCommand } from './link.ts';
import type { ShellCommand } from './shell-command.ts';
import { SshError } from './ssh-error.ts';

/** What became of a long-lived channel. `error`: the connection was lost first, or the channel broke. */
export interface ChannelExit {
  exitCode: number | null;
  signal: string | null;
  error: SshError | null;
}

/** `stdout` and `stderr` must both be read. */
export interface HostChannel {
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  /** Settles once, never rejects. */
  exited: Promise<ChannelExit>;
  /** Ends the channel; what runs in it sees its stdin end. */
  close: () => void;
}

export function hostChannel(
  running: RunningCommand,
  parts: { host: string; command: ShellCommand; lost: () => SshError | null },
): HostChannel {
  const { stdin, stdout, stderr, closed, close } = running;
  const cutOff = (): SshError =>
    new SshError({
      kind: 'connectionLost',
      host: parts.host,
      command: parts.command,
      problem: 'the channel was closed before the command ended',
      nextStep: 'Start it again.',
    });
  const exited = closed.then((): ChannelExit => {
    if (running.exit === null) return { exitCode: null, signal: null, error: parts.lost() ?? cutOff() };
    return { exitCode: running.exit.code, signal: running.exit.signal, error: null };
  });
  return { stdin, stdout, stderr, exited, close };
}
