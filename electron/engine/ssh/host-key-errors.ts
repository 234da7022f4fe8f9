/** What an operator is told about a host key that is not trusted. */
import { fingerprintOf, type HostKeyJudgement, knownHostName, type OfferedHostKey } from './known-hosts.ts';
import { SshError } from './ssh-error.ts';

export function hostKeyError(about: { host: string; offered: OfferedHostKey; judgement: HostKeyJudgement }): SshError {
  const { host, offered, judgement } = about;
  const shown = `${offered.keyType} ${offered.fingerprint}`;
  const place = { host, offeredKey: offered };
  if (!('line' in judgement)) {
    return new SshError({
      ...place,
      kind: 'hostKeyUnknown',
      problem: `its host key is not known yet: ${shown}`,
      nextStep:
        'Compare the fingerprint with the one on the host (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub), then trust it.',
    });
  }
  const { path, number, keyType, publicKey } = judgement.line;
  const where = `line ${number} of ${path}`;
  if (judgement.verdict === 'revoked') {
    return new SshError({
      ...place,
      kind: 'hostKeyRevoked',
      problem: `its host key is revoked: ${shown} (${where})`,
      nextStep: 'Do not log in there: give the host a new key first.',
    });
  }
  const known = `${keyType} ${fingerprintOf(Buffer.from(publicKey, 'base64'))}`;
  const remove = `ssh-keygen -R '${knownHostName(offered)}' -f '${path}'`;
  return new SshError({
    ...place,
    kind: 'hostKeyChanged',
    problem: `its host key is not the one known before: it shows ${shown}, ${where} has ${known}`,
    nextStep: `Somebody may be in between. If the host was reinstalled, remove its old key (${remove}) and trust the new one.`,
  });
}
