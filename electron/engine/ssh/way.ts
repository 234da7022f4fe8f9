/** How a host is reached that is not reached directly: over another host (ProxyJump), or by a command (ProxyCommand). */
import { spawn } from 'node:child_process';
import { Duplex } from 'node:stream';
import type { HostConnection } from './connection.ts';
import { atTheHop } from './hop-failure.ts';
import type { OpenWay } from './link.ts';
import { SshError } from './ssh-error.ts';
import { hostLabel, type SshTarget } from './target.ts';

/** `hop`: the pool's connection to a jump host, shared by all that is behind it. */
export function openWayOver(hop: (target: SshTarget) => HostConnection): OpenWay {
  return async (target, signal) => {
    const { via } = target;
    if (via === undefined) throw new TypeError(`${hostLabel(target)} is reached directly`);
    if (via.kind === 'command') return endingAsOne(commandStream(target, via.command));
    const connection = hop(via.hop);
    try {
      return endingAsOne(await connection.forward(target, { signal }));
    } catch (error) {
      throw error instanceof SshError ? atTheHop(target, error) : error;
    }
  };
}

/** As a TCP socket does it: when the other side has ended, so do we. Without that a dead host would seem to listen on. */
function endingAsOne(stream: Duplex): Duplex {
  return stream.on('end', () => stream.end());
}

const MAX_STDERR_CHARACTERS = 1000;

/** As ssh: the user's shell is replaced by the command, whose input and output are the connection. */
function commandStream(target: SshTarget, command: string): Duplex {
  const shell = process.env['SHELL'] ?? '/bin/sh';
  const child = spawn(shell, ['-c', `exec ${command}`], { stdio: 'pipe' });
  const stream = new Duplex({
    read: () => child.stdout.resume(),
    // What the command no longer takes is not an error of its own: its end, which comes as well, says more.
    write: (chunk, _encoding, done) => void child.stdin.write(chunk, () => done()),
    final: (done) => void child.stdin.end(() => done()),
    destroy: (error, done) => {
      child.kill();
      done(error);
    },
  });
  child.stdin.on('error', () => {});
  child.stdout.on('data', (chunk) => stream.push(chunk) || child.stdout.pause());
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-MAX_STDERR_CHARACTERS);
  });
  child.on('error', (cause) => stream.destroy(cause));
  child.on('close', (code) => {
    const last = stderr.trimEnd().split('\n').at(-1) ?? '';
    const ended = `the ProxyCommand of ${hostLabel(target)} ended with exit code ${code}${last === '' ? '' : `: ${last}`}`;
    // Only then does an ending say more than that the connection was closed.
    if (code === 0 && last === '') stream.push(null);
    else stream.destroy(new Error(ended));
  });
  // Whoever uses the stream listens, too; an error before or after that must not end the process.
  return stream.on('error', () => {});
}
