/**
 * What is wrong with a host key that OpenSSH's client refused. The client names only its fingerprint, and the operator is asked
 * about the key itself: so it is started once more with an empty file of known keys, to which it adds the host's before it would
 * log in, and without any way to log in. Jump hosts on the way there are verified as always.
 */
import { join } from 'node:path';
import { readIfPresent } from '../config/world.ts';
import { knownHostsPathsOf } from '../connect.ts';
import { hostKeyAlgorithms } from '../host-key-algorithms.ts';
import { hostKeyError } from '../host-key-errors.ts';
import { atTheHop } from '../hop-failure.ts';
import { readKnownHosts } from '../host-keys.ts';
import {
  judgeHostKey,
  type KnownHostLine,
  knownHostName,
  type OfferedHostKey,
  offeredHostKey,
  parseKnownHosts,
} from '../known-hosts.ts';
import { SshError } from '../ssh-error.ts';
import { hostLabel, type SshTarget } from '../target.ts';
import { type ClientStart, startClient } from './client.ts';
import { chainOf } from './client-config.ts';
import { clientFailure } from './client-failure.ts';

/** True: the key of the host, or of a jump host, is not one that is known. */
export function isHostKeyRefusal(stderr: string): boolean {
  return /^Host key verification failed\./m.test(stderr);
}

/** The same error as Synod's own SSH has for that key; of a jump host's key, where it is that. */
export async function hostKeyRefusal(start: ClientStart, stderr: string): Promise<SshError> {
  const { target, options } = start;
  const name = /(?:is known|[Hh]ost key) for (\S+) (?:and|has|is)/.exec(stderr)?.[1];
  const refused = chainOf(target).find((one) => knownHostName(one) === name) ?? target;
  const known = await readKnownHosts(knownHostsPathsOf(refused, options.knownHostsPaths));
  const offered = await probe({ ...start, target: refused }, known);
  const judgement = judgeHostKey(known, offered);
  const error =
    judgement.verdict === 'known'
      ? refusedByOpenSsh(refused, stderr)
      : hostKeyError({ host: hostLabel(refused), offered, judgement });
  return refused === target ? error : atTheHop(target, error);
}

/** Throws SshError where the host shows no key. */
async function probe(start: ClientStart, known: readonly KnownHostLine[]): Promise<OfferedHostKey> {
  const { target, clock } = start;
  const algorithms = hostKeyAlgorithms(target, known).join(',');
  const shownPath = (folder: string): string => join(folder, 'shown');
  const client = await startClient(start, (folder) => {
    const settings = [
      'StrictHostKeyChecking=accept-new',
      `UserKnownHostsFile="${shownPath(folder)}"`,
      'PreferredAuthentications=none',
      'PubkeyAuthentication=no',
      ...(algorithms === '' ? [] : [`HostKeyAlgorithms=${algorithms}`]),
    ];
    return ['-N', '-T', ...settings.flatMap((setting) => ['-o', setting])];
  });
  try {
    const stderr = await Promise.race([client.process.ended, clock.expired]);
    const [shown] = parseKnownHosts((await readIfPresent(shownPath(client.folder))) ?? '');
    if (shown === undefined) throw clientFailure(target, stderr);
    return offeredHostKey(Buffer.from(shown.publicKey, 'base64'), target);
  } finally {
    client.askpass.close();
    client.process.kill();
  }
}

/** By something that only it knows: RevokedHostKeys, or a KnownHostsCommand that failed. */
function refusedByOpenSsh(target: SshTarget, stderr: string): SshError {
  return new SshError({
    kind: 'hostKeyRevoked',
    host: hostLabel(target),
    problem: `its host key is known to Synod, but the system's ssh refuses it: ${stderr.trim().split('\n').at(-2) ?? ''}`,
    nextStep: 'Look at RevokedHostKeys and KnownHostsCommand in the SSH configuration before you log in there.',
  });
}
