/** A connection of Synod's own SSH, once it has logged in. */
import type { Client, ClientChannel } from 'ssh2';
import { type Link, notStarted, type RunningCommand } from './link.ts';
import { underPosixShell } from './shell-command.ts';
import { SshError } from './ssh-error.ts';

/**
 * A host may end the connection in the very packet that lets us in: call it as soon as the login is through, so that what ends it
 * is listened for from then on.
 */
export function ssh2Link(client: Client, host: string): Link {
  let ending: { cause: Error | undefined } | null = null;
  const ended = new Promise<void>((resolve) => client.on('close', () => resolve()));
  client.on('error', (error) => (ending = { cause: error }));
  client.on('close', () => (ending ??= { cause: undefined }));
  return {
    start: async (command) =>
      await new Promise<RunningCommand>((resolve, reject) => {
        const fail = (cause: unknown): void => reject(notStarted({ host, command }, cause));
        try {
          client.exec(underPosixShell(command), (error, channel) => {
            if (error === undefined) resolve(watch(channel));
            else fail(error);
          });
        } catch (error) {
          fail(error);
        }
      }),
    forward: async (place) =>
      await new Promise((resolve, reject) => {
        const fail = (cause: Error & { reason?: number }): void => reject(notForwarded(host, place, cause));
        try {
          client.forwardOut('127.0.0.1', 0, place.address, place.port, (error, channel) => {
            if (error === undefined) resolve(channel);
            else fail(error);
          });
        } catch (error) {
          fail(error as Error);
        }
      }),
    ending: () => ending,
    onEnd: (listener) => void ended.then(listener),
    close: () => client.end(),
    destroy: () => client.destroy(),
  };
}

/** Must run within the callback that brings the channel: a short command's exit code stands in the same packet. */
function watch(channel: ClientChannel): RunningCommand {
  const running: RunningCommand = {
    stdin: channel.stdin,
    stdout: channel.stdout,
    stderr: channel.stderr,
    exit: null,
    closed: new Promise((resolve) => channel.on('close', resolve)),
    stop: () => stopOnHost(channel),
    close: () => channel.close(),
  };
  channel.on('exit', (code: number | null, signal?: string) => {
    running.exit = { code, signal: signal ?? null };
  });
  // A channel that breaks closes as well, and that is judged by whether an exit code came.
  channel.on('error', () => {});
  return running;
}

/** ssh2's own `signal` sends nothing once stdin was closed, so this asks the protocol below it. */
function stopOnHost(channel: ClientChannel): void {
  const inner = channel as unknown as {
    outgoing: { id: number; state: string };
    _client: { _protocol: { signal: (channelId: number, name: string) => void } };
  };
  const reachable = inner.outgoing.state === 'open' || inner.outgoing.state === 'eof';
  if (reachable) inner._client._protocol.signal(inner.outgoing.id, 'TERM');
  channel.close();
}

export function notForwarded(
  host: string,
  place: { address: string; port: number },
  cause: Error & { reason?: number },
): SshError {
  // RFC 4254, 5.1: 1 is "administratively prohibited".
  const prohibited = cause.reason === 1;
  return new SshError({
    kind: 'unreachable',
    host,
    problem: `it ${prohibited ? 'may not' : 'cannot'} connect on to ${place.address} port ${place.port}: ${cause.message}`,
    nextStep: prohibited
      ? 'Allow it there (AllowTcpForwarding, PermitOpen in sshd_config), or take another jump host.'
      : 'Check that address and that the host there is up; the jump host itself was reached.',
    cause,
  });
}
