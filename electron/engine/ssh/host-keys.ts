/** Which host keys are trusted: known_hosts files on this computer, and Synod's own, to which an operator's yes is added. */
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { readIfPresent } from './config/world.ts';
import {
  fingerprintOf,
  judgeHostKey,
  type KnownHostLine,
  knownHostName,
  type OfferedHostKey,
  parseKnownHosts,
} from './known-hosts.ts';
import { SshError } from './ssh-error.ts';

/** All the lines of these files; a file that does not exist has none. */
export async function readKnownHosts(paths: readonly string[]): Promise<KnownHostLine[]> {
  const texts = await Promise.all(paths.map(readIfPresent));
  return texts.flatMap((text, index) => parseKnownHosts(text ?? '', paths[index]));
}

/**
 * Appends the offered key to Synod's own known_hosts file (`path`, created with its folder), after the operator confirmed its
 * fingerprint. Does nothing where it is trusted already; refuses a key that is not the confirmed one, and a host whose known
 * key differs. On disk when it returns.
 */
export async function trustHostKey(request: {
  path: string;
  offered: OfferedHostKey;
  confirmedFingerprint: string;
}): Promise<void> {
  const { path, offered } = request;
  const fingerprint = fingerprintOf(Buffer.from(offered.publicKey, 'base64'));
  if (fingerprint !== request.confirmedFingerprint) {
    throw refusal(offered, 'the fingerprint that was confirmed is not the one that the host showed');
  }
  const present = (await readIfPresent(path)) ?? '';
  const { verdict } = judgeHostKey(parseKnownHosts(present), offered);
  if (verdict === 'known') return;
  if (verdict !== 'unknown') throw refusal(offered, `its key in ${path} is another one, or revoked`);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, 'a', 0o600);
  try {
    const lineBreak = present === '' || present.endsWith('\n') ? '' : '\n';
    await file.appendFile(`${lineBreak}${knownHostName(offered)} ${offered.keyType} ${offered.publicKey}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}

function refusal(offered: OfferedHostKey, problem: string): SshError {
  return new SshError({
    kind: 'hostKeyChanged',
    problem,
    host: knownHostName(offered),
    offeredKey: offered,
    nextStep: 'Compare the fingerprint at the console of the host before you trust it.',
  });
}
