/** The OpenSSH client of this computer. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { SshError } from '../ssh-error.ts';

/** Its path, from $PATH. Throws SshError `noSshClient`. */
export async function sshClient(host: string, searchPath = process.env['PATH'] ?? ''): Promise<string> {
  if (process.platform === 'win32') {
    throw noClient(host, {
      problem: "the OpenSSH client of Windows cannot share a connection, which the transport 'openssh' needs",
      nextStep: "Reach the host with the transport 'builtin', or run the console on Linux.",
    });
  }
  for (const folder of searchPath.split(delimiter).filter((name) => name.startsWith('/'))) {
    const path = join(folder, 'ssh');
    const runs = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (runs) return path;
  }
  throw noClient(host, {
    problem: 'this computer has no OpenSSH client: there is no program ssh in $PATH; the host was not contacted',
    nextStep: "Install it (Debian: openssh-client), or reach the host with the transport 'builtin'.",
  });
}

function noClient(host: string, said: { problem: string; nextStep: string }): SshError {
  return new SshError({ kind: 'noSshClient', host, ...said });
}
