/** The private key that an operator named, looked at before the host is: what is wrong with it is not the host's refusal. */
import { readFile } from 'node:fs/promises';
import ssh2 from 'ssh2';
import { SshError } from './ssh-error.ts';
import { hostLabel, type SshTarget } from './target.ts';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'this user may not read it',
  EISDIR: 'it is a folder',
};

/** Where there is one key and no other way to log in. Throws SshError `keyFileUnreadable`. */
export async function assertKeyFile(target: SshTarget): Promise<void> {
  const [only, ...others] = target.auth;
  if (only?.kind !== 'key' || others.length > 0) return;
  const text = await readFile(only.path).catch((error: NodeJS.ErrnoException) => error);
  if (text instanceof Error)
    throw unreadable(target, only.path, { why: reasons[text.code ?? ''] ?? text.message, cause: text });
  // OpenSSH understands more than Synod's own SSH.
  if (target.openSsh !== undefined) return;
  const parsed = ssh2.utils.parseKey(text);
  if (parsed instanceof Error && !isEncrypted(parsed))
    throw unreadable(target, only.path, { why: 'it is no private key that is understood', cause: parsed });
}

export function isEncrypted(parseError: Error): boolean {
  return /encrypted|passphrase/i.test(parseError.message);
}

function unreadable(target: SshTarget, path: string, at: { why: string; cause: Error }): SshError {
  return new SshError({
    kind: 'keyFileUnreadable',
    host: hostLabel(target),
    problem: `the key file ${path} on this computer cannot be used: ${at.why}; the host was not contacted`,
    nextStep:
      target.onlyOpenSsh === undefined
        ? 'Put the private key there or correct its path, make sure that you may read it, then check the host again.'
        : `Reach the host with the system's ssh (synod host transport HOST openssh): only that can use ${target.onlyOpenSsh}.`,
    cause: at.cause,
  });
}
