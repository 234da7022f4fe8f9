import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { asFounder, type StoredMember } from '../fleet/records.ts';
import { CertificateDates, certificateWarnings } from './certificate-dates.ts';
import { ClusterKeys, type NodeKeys } from './cluster-keys.ts';

const clusterId = 'c-00000001';
const member: StoredMember = {
  nodeId: 'n-00000001',
  clusterId,
  memberSlot: 1,
  name: 'node-1',
  hostId: 'h-00000001',
  address: '192.0.2.1',
  peerPort: 2380,
  clientPort: 2379,
  dataFolder: null,
  ...asFounder,
};

describe('the keys of a cluster', () => {
  let clustersDir = '';
  const now = Date.parse('2026-01-01T00:00:00Z');
  const open = () => new ClusterKeys({ clustersDir, clusterId, clock: () => now });

  beforeEach(() => {
    clustersDir = mkdtempSync(join(tmpdir(), 'sy-keys-'));
  });
  afterEach(() => rmSync(clustersDir, { recursive: true }));

  const certificatesIn = (text: string) => text.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? [];
  /** Which of the authorities that the node trusts signed what it shows; null: none of them. */
  const signer = ({ peer, authority }: NodeKeys) => {
    const shown = new X509Certificate(peer.certificate);
    const found = certificatesIn(authority).findIndex((one) => shown.verify(new X509Certificate(one).publicKey));
    return found === -1 ? null : found;
  };
  const textOf = (path: string) => readFileSync(path, 'utf8');

  it('are the same each time until they are replaced', async () => {
    await open().ensure();
    const made = await open().ofNode(member);
    expect(await open().ofNode(member)).toEqual(made);
    expect(await open().known(member)).toEqual(made);
  });

  it('follow the phases of a new authority, so that neighbouring ones trust each other', async () => {
    await open().ensure();
    const old = await open().ofNode(member);
    const { rotation } = open();
    const seen = [];
    let at = await rotation.begin({ authority: true });
    for (; at.phase !== 'settle'; at = await rotation.advance(at)) {
      await rotation.share(at);
      const keys = await open().ofNode(member);
      const clients = certificatesIn(textOf(open().access().ca)).length;
      seen.push([
        at.phase,
        certificatesIn(keys.authority).length,
        signer(keys),
        keys.peer.key === old.peer.key,
        clients,
      ]);
    }
    expect(seen).toEqual([
      ['trustBoth', 2, 0, true, 2],
      ['handOut', 2, 0, true, 2],
      ['renew', 2, 1, false, 2],
      ['forgetOld', 1, 0, false, 2],
    ]);
    const before = await open().ofNode(member);
    await rotation.settle();
    expect(await open().known(member)).toEqual(before);
    expect(textOf(open().access().ca)).toBe(before.authority);
    expect(new X509Certificate(textOf(open().access().cert)).checkIssued(new X509Certificate(before.authority))).toBe(
      true,
    );
    expect(readdirSync(join(clustersDir, clusterId))).toHaveLength(8);
  });

  it('are whole when the last phase is cut short after any file', async () => {
    await open().ensure();
    const { rotation } = open();
    let at = await rotation.begin({ authority: true });
    for (; at.phase !== 'settle'; at = await rotation.advance(at)) {
      await rotation.share(at);
      await open().ofNode(member);
    }
    const wanted = await open().ofNode(member);
    const dir = join(clustersDir, clusterId);
    for (const end of ['key', 'pem'])
      for (const file of readdirSync(rotation.nextDir).filter((name) => name.endsWith(end))) {
        renameSync(join(rotation.nextDir, file), join(dir, file));
        expect(await open().known(member), `after ${file}`).toEqual(wanted);
      }
    await rotation.settle();
    expect(await open().known(member)).toEqual(wanted);
  });

  it('tell when they are to be replaced, and that it was begun', async () => {
    await open().ensure();
    const warningsAt = (nowUnixMs: number) =>
      certificateWarnings(
        { name: 'orders', clusterId },
        { dates: new CertificateDates({ clustersDir, clock: () => nowUnixMs }), rotation: open().rotation, nowUnixMs },
      );
    expect(await warningsAt(now)).toEqual([]);
    expect(await warningsAt(Date.parse('2030-12-15'))).toEqual([
      'The first of its certificates expires on 2031-01-01; replace them with `synod cluster rotate-certificates orders`.',
    ]);
    await open().rotation.begin({ authority: false });
    expect(await warningsAt(now)).toEqual([expect.stringContaining('is not finished (renew)')]);
  });
});
