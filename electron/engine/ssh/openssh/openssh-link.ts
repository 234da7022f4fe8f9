/** A connection that the system's OpenSSH client holds; each command is a channel over its control socket. */
import { type Link, notStarted } from '../link.ts';
import { underPosixShell } from '../shell-command.ts';
import { notForwarded } from '../ssh2-link.ts';
import { duplexOf } from './channel.ts';
import type { ClientProcess } from './client-process.ts';
import type { ControlConnection } from './control-socket.ts';

export interface OpenSshLinkParts {
  control: ControlConnection;
  process: ClientProcess;
  /** The host in errors. */
  host: string;
}

/** Takes both over: they end with it. */
export function openSshLink({ control, process, host }: OpenSshLinkParts): Link {
  const { channels, socket } = control;
  let ending: { cause: Error | undefined } | null = null;
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve())).then(async () => {
    process.kill();
    const last = (await process.ended).trimEnd().split(/\r?\n/).at(-1) ?? '';
    ending = { cause: last === '' ? undefined : new Error(last) };
  });
  // After the listeners: a command that was cut off asks them why.
  void ended.then(() => setImmediate(() => channels.end()));
  socket.on('error', () => {});
  return {
    start: async (command) => {
      const fail = (cause: unknown): never => {
        throw notStarted({ host, command }, cause);
      };
      const channel = await channels.open('session').catch(fail);
      if (await channel.request('exec', underPosixShell(command))) return channel;
      channel.close();
      return fail(new Error('the host refused to run a command'));
    },
    forward: async ({ address, port }) => {
      const opened = channels.open('direct-tcpip', [address, port, '127.0.0.1', 0]);
      return duplexOf(
        await opened.catch((cause: Error) => Promise.reject(notForwarded(host, { address, port }, cause))),
      );
    },
    ending: () => ending,
    onEnd: (listener) => void ended.then(listener),
    close: () => process.end(),
    destroy: () => {
      process.kill();
      socket.destroy();
    },
  };
}
