/** One attempt to reach a host with the system's OpenSSH client: it logs in, and stays as the master of a control socket. */
import { watch } from 'node:fs/promises';
import { basename } from 'node:path';
import { passphraseNeeded } from '../connect.ts';
import { assertKeyFile } from '../key-file.ts';
import type { Link } from '../link.ts';
import { SshError } from '../ssh-error.ts';
import { hostLabel, type SshTarget } from '../target.ts';
import { type Client, type ClientOptions, type ClientStart, controlPath, startClient } from './client.ts';
import { clientFailure } from './client-failure.ts';
import { sshClient } from './client-program.ts';
import { type ControlConnection, connectControlSocket } from './control-socket.ts';
import { hostKeyRefusal, isHostKeyRefusal } from './host-key-probe.ts';
import { LoginClock } from './login-clock.ts';
import { openSshLink } from './openssh-link.ts';

/** Throws SshError. */
export async function connectOpenSsh(target: SshTarget, options: ClientOptions): Promise<Link> {
  await assertKeyFile(target);
  const host = hostLabel(target);
  const program = await sshClient(host);
  const timeoutMs = target.connectTimeoutMs ?? options.connectTimeoutMs;
  const clock = new LoginClock({ host, timeoutMs, signal: options.signal });
  try {
    return await logIn({ target, program, options, clock });
  } catch (error) {
    throw error instanceof SshError ? error : notStarted(host, error as Error);
  } finally {
    clock.stop();
  }
}

async function logIn(start: ClientStart): Promise<Link> {
  const client = await startClient(start, (folder) => ['-M', '-S', controlPath(folder), '-N', '-T']);
  const watching = new AbortController();
  try {
    const loggedIn = controlOf(client.folder, watching.signal).then((control) => ({ control }));
    const ended = client.process.ended.then((stderr) => ({ stderr }));
    const first = await Promise.race([loggedIn, ended, start.clock.expired]);
    if ('stderr' in first) throw await failureOf(start, client, first.stderr);
    return openSshLink({ ...first, process: client.process, host: hostLabel(start.target) });
  } catch (error) {
    client.process.kill();
    throw error;
  } finally {
    watching.abort();
    client.askpass.close();
  }
}

/** Waits for the socket, which ssh makes once it is logged in. */
async function controlOf(folder: string, signal: AbortSignal): Promise<ControlConnection> {
  const path = controlPath(folder);
  for await (const { filename } of watch(folder, { signal })) if (filename === basename(path)) break;
  return await connectControlSocket(path);
}

async function failureOf(start: ClientStart, client: Client, stderr: string): Promise<SshError> {
  if (isHostKeyRefusal(stderr)) return await hostKeyRefusal(start, stderr);
  const failure = clientFailure(start.target, stderr);
  const locked = client.askpass.lockedKey;
  return failure.kind === 'authFailed' && locked !== null ? passphraseNeeded(start.target, locked) : failure;
}

function notStarted(host: string, cause: Error): SshError {
  return new SshError({
    kind: 'localFile',
    host,
    problem: `the system's ssh could not be used on this computer: ${cause.message}`,
    nextStep: 'Nothing was run. Mend that on this computer, or reach the host with the builtin transport.',
    cause,
  });
}
