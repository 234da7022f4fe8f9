/** Records with real signatures: which of them are believed, and which keep a console from changing a cluster. */
import { beforeAll, describe, expect, it } from 'vitest';
import { FailureError } from '../../operations/failure.ts';
import { createAuthority, type KeyPair } from '../certificates.ts';
import {
  type ClusterRecord,
  fingerprintOf,
  type RecordedOperation,
  signRecord,
  verifyRecord,
} from './cluster-record.ts';
import { isSettled, type Judging, lockedByOther, refuseOthersRecords, type SeenOn } from './judge.ts';
import { asFounder } from '../../fleet/records.ts';

const cluster = { name: 'orders', clusterId: 'c-0000test', place: 'home' } as const;

function record(sequence: number, operation: Partial<RecordedOperation> = {}): ClusterRecord {
  const addresses = { address: '192.0.2.1', peerPort: 2380, clientPort: 2379 };
  return {
    formatVersion: 1,
    sequence,
    cluster: {
      ...cluster,
      createdAtUnixMs: 1,
      runtimeVersion: '24',
      releaseVersion: '1',
      heartbeatMs: 50,
      electionTimeoutMs: 300,
      founders: [],
    },
    members: [
      {
        ...addresses,
        nodeId: 'n-0000test',
        memberSlot: 1,
        name: 'node-1',
        dataFolder: null,
        ...asFounder,
        host: {
          name: 'db1',
          address: '192.0.2.1',
          port: 22,
          user: 'ops',
          alias: null,
          via: null,
          transport: 'builtin' as const,
        },
      },
    ],
    lastOperation: {
      operationId: 'o-0000test',
      kind: 'clusterRestart',
      title: 'Restart orders',
      who: 'ops@laptop',
      consoleId: 'k-0000test',
      startedAtUnixMs: 1,
      endedAtUnixMs: 2,
      result: 'succeeded',
      outcome: null,
      ...operation,
    },
  };
}

describe('what hosts show to a console', () => {
  let authority: KeyPair;
  let other: KeyPair;
  beforeAll(async () => {
    [authority, other] = (await Promise.all(
      ['c-0000test', 'c-0000test'].map((id) => createAuthority(id, Date.now())),
    )) as [KeyPair, KeyPair];
  });

  const on = (host: string, recordText: string | null): SeenOn => ({
    host,
    truth: { lock: 'free', leftSeconds: 0, owner: null, recordText },
  });
  const judging = (text: string | null): Judging => {
    const known = text === null ? null : verifyRecord(text, [authority.certificate]);
    return {
      cluster,
      authorities: [authority.certificate],
      known: known && { sequence: known.record.sequence, digest: known.digest },
    };
  };
  const refusal = (seen: SeenOn[], at: Judging) => {
    try {
      refuseOthersRecords(seen, at);
      return null;
    } catch (error) {
      return error instanceof FailureError ? error.failure : error;
    }
  };

  it('is believed as it was signed, and in no other form', () => {
    const text = signRecord(record(3), authority);
    expect(verifyRecord(text, [other.certificate, authority.certificate])).toMatchObject({
      record: record(3),
      authority: fingerprintOf(authority.certificate),
    });
    // The order of fields and the space between them say nothing.
    const { signature, ...rest } = JSON.parse(text) as Record<string, unknown>;
    const turned = JSON.stringify({ signature, ...Object.fromEntries(Object.entries(rest).toReversed()) });
    expect(verifyRecord(turned, [authority.certificate]).record).toEqual(record(3));
    const refused = (changed: string) => () => verifyRecord(changed, [authority.certificate]);
    expect(refused(text.replace('192.0.2.1', '192.0.2.9'))).toThrow('its signature is not of this content');
    expect(refused(text.replace('"sequence": 3', '"sequence": 4'))).toThrow('its signature is not of this content');
    expect(refused(text.replace('"formatVersion"', '"more": 1, "formatVersion"'))).toThrow('not of this content');
    expect(refused(signRecord(record(3), other))).toThrow(/which is not this one/);
    expect(refused(JSON.stringify(record(3)))).toThrow('it is not signed');
    expect(refused('{')).toThrow('it is not a record');
  });

  it('may be older than what the console knows, or missing', () => {
    const known = signRecord(record(5), authority);
    const older = signRecord(record(4, { title: 'Apply to orders' }), authority);
    expect(refusal([on('db1', older), on('db2', null), on('db3', known)], judging(known))).toBeNull();
    expect(isSettled([on('db1', known), on('db2', older)], judging(known))).toBe(false);
    expect(isSettled([on('db1', known), on('db2', known)], judging(known))).toBe(true);
    expect(refusal([on('db1', signRecord(record(4), other))], judging(known))).toBeNull();
    const begun = signRecord(record(6, { result: 'inProgress', endedAtUnixMs: null }), authority);
    expect(isSettled([on('db1', begun)], judging(begun))).toBe(false);
  });

  it('keeps a console that is behind from changing anything, also where another one wrote the same number', () => {
    const known = signRecord(record(5), authority);
    const newer = signRecord(record(6, { who: 'else@where' }), authority);
    const twin = signRecord(record(5, { who: 'else@where' }), authority);
    for (const text of [newer, twin])
      expect(refusal([on('db1', known), on('db2', text)], judging(known))).toMatchObject({
        kind: 'behind',
        host: 'db2',
        message: expect.stringContaining('"Restart orders" by else@where'),
        nextStep: expect.stringContaining('synod cluster adopt --host db2'),
      });
    expect(refusal([on('db1', known)], judging(null))).toMatchObject({ kind: 'behind' });
    expect(refusal([on('db1', signRecord(record(9), other))], judging(known))).toMatchObject({
      kind: 'recordNotOurs',
      nextStep: expect.stringContaining('~/.synod/clusters/c-0000test.json'),
    });
  });

  it('tells who holds the lock, since when, for how long, and what to do', () => {
    const owner = { who: 'ops@laptop', consoleId: 'k-1', operationId: 'o-1', title: 'Apply to orders', sinceUnixMs: 0 };
    const truth = { lock: 'held', leftSeconds: 42, owner, recordText: null } as const;
    expect(lockedByOther({ host: 'db1', truth }, cluster).failure).toMatchObject({
      kind: 'lockedByOther',
      host: 'db1',
      message:
        'orders is being worked on by ops@laptop (console k-1): "Apply to orders", o-1, since 1970-01-01T00:00:00.000Z by its own clock. Its lock on db1 expires in 42 s unless it is renewed. Nothing was changed.',
      nextStep: expect.stringContaining('within 42 s'),
    });
  });
});
