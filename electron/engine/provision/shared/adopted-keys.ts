/** The keys of a cluster that was taken over, put into this console's state folder beside those that it makes itself. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyPair } from '../certificates.ts';
import { writeDurably } from '../key-files.ts';
import { fingerprintOf } from './cluster-record.ts';
import type { FoundNode } from './found-on-host.ts';

/** The certificates and keys that the nodes run with: a plan then finds nothing to replace. */
export async function keepNodeKeys(dir: string, nodes: readonly FoundNode[]): Promise<void> {
  for (const { nodeId, tls } of nodes)
    for (const leaf of ['peer', 'client']) {
      const [certificate, key] = [tls.get(`${leaf}.pem`), tls.get(`${leaf}.key`)];
      if (certificate === undefined || key === undefined) continue;
      await writeDurably(join(dir, `${nodeId}-${leaf}.key`), key);
      await writeDurably(join(dir, `${nodeId}-${leaf}.pem`), certificate);
    }
}

/** The authority, with its key where there is one. What an earlier authority signed for operators goes with it. */
export async function keepAuthority(
  dir: string,
  authority: { certificate: string; key: string | null },
  before: { certificates: readonly string[]; pair: KeyPair | null },
): Promise<void> {
  const isSame = before.certificates.some((one) => fingerprintOf(one) === fingerprintOf(authority.certificate));
  if (!isSame)
    for (const name of ['ca.key', 'operator.pem', 'operator.key']) await rm(join(dir, name), { force: true });
  if (authority.key !== null) await writeDurably(join(dir, 'ca.key'), authority.key);
  if (!isSame || before.certificates.length === 0)
    await writeDurably(join(dir, 'ca.pem'), `${authority.certificate.trim()}\n`);
}
