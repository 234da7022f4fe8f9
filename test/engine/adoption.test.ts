/** A second console takes over what a first one made, changes it, and the first learns of that: two real engines on the same hosts. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineResources } from '../../electron/engine/engine.ts';
import { buildResources, ended, succeeded, withSmallRuntime } from './engine-under-test.ts';
import { type Console, Consoles, trusted } from './two-consoles.ts';

const ports = { peerPort: 17_580, clientPort: 17_579 };
const passphrase = 'correct horse battery staple';

describe.skipIf(process.platform !== 'linux')('a cluster with two consoles', { timeout: 180_000 }, () => {
  const consoles = new Consoles();
  let resources: EngineResources;
  let first: Console;
  let second: Console;
  let clusterId = '';
  let authority = '';

  beforeAll(async () => {
    resources = withSmallRuntime(await buildResources(consoles.dist), consoles.dist);
    await consoles.up(resources, 3);
    first = await consoles.start(resources, ['a-1', 'a-2', 'a-3']);
    const hostIds = first.hosts.map((host) => host.hostId);
    const created = await first.client.clusters.create({ name: 'orders', hostIds, ...ports });
    await succeeded(first.client, created.operationId);
    clusterId = created.clusterId;
    second = await consoles.start(resources, ['b-1', 'b-2']);
  });
  afterAll(() => consoles.down());

  const recordFile = () => ['clusters', `${clusterId}.json`];
  const askedOf = (console: Console, at = 0) => ({
    hostIds: [console.hosts[at]?.hostId ?? ''],
    cluster: null,
    authority: null,
  });
  const failureOf = async (promise: Promise<unknown>) => {
    const error = await promise.then(
      () => null,
      (reason: unknown) => reason as { data: { kind: string; message: string; nextStep: string } },
    );
    return error?.data;
  };
  const adoptAt = async (console: Console) => {
    const { digest } = await console.client.clusters.lookToAdopt(askedOf(console));
    return console.client.clusters.adopt({ ...askedOf(console), digest });
  };
  const restart = async (console: Console) =>
    ended(console.client, (await console.client.clusters.restart({ clusterId, why: null })).operationId);

  it('shows the second what it would take over, and changes nothing', async () => {
    const found = await second.client.clusters.lookToAdopt(askedOf(second));
    expect(found).toMatchObject({
      clusterId,
      name: 'orders',
      sequence: 2,
      standing: 'new',
      hasKey: false,
      isAuthorityKnown: false,
      lastOperation: { title: 'Apply to orders', result: 'succeeded' },
      differences: [],
    });
    expect(found.members.map(({ host, state }) => [host, state])).toEqual([
      ['b-1', 'seen'],
      ['b-2', 'seen'],
      ['a-3', 'unknown'],
    ]);
    expect(found.newHosts).toMatchObject([{ name: 'a-3', address: consoles.lab.hosts[2]?.address }]);
    expect((await second.client.fleet.get()).clusters).toEqual([]);
    authority = found.authority;
  });

  it('refuses another authority than the one that was named', async () => {
    const wrong = `SHA256:${'0'.repeat(64)}`;
    const failure = await failureOf(second.client.clusters.lookToAdopt({ ...askedOf(second), authority: wrong }));
    expect(failure).toMatchObject({ kind: 'wrongAuthority', message: expect.stringContaining(authority) });
    const named = await second.client.clusters.lookToAdopt({ ...askedOf(second), authority });
    expect(named).toMatchObject({ isAuthorityKnown: true });
  });

  it('refuses a record that was tampered with, and names it where others are sound', async () => {
    const path = consoles.pathAt(0, ...recordFile());
    const sound = readFileSync(path, 'utf8');
    writeFileSync(path, sound.replace('"sequence": 2', '"sequence": 9'));
    const failure = await failureOf(second.client.clusters.lookToAdopt(askedOf(second)));
    expect(failure).toMatchObject({ kind: 'recordNotOurs', message: expect.stringContaining('b-1') });
    const both = { ...askedOf(second), hostIds: second.hosts.map(({ hostId }) => hostId) };
    expect(await second.client.clusters.lookToAdopt(both)).toMatchObject({
      sequence: 2,
      differences: [expect.stringContaining('The record on b-1 cannot be believed')],
    });
    writeFileSync(path, sound);
  });

  it('is watched and restarted by a console without its key, which says what it cannot do', async () => {
    await trusted(second.client, consoles.addressOf(2, 'b-3'));
    expect(await adoptAt(second)).toMatchObject({ standing: 'same', hasKey: false, newHosts: [] });
    const signal = AbortSignal.timeout(20_000);
    for await (const fleet of await second.client.fleet.watch(undefined, { signal }))
      if (fleet.clusters[0]?.health.level === 'ok') break;
    expect(await second.client.clusters.plan({ clusterId })).toMatchObject({ changes: 0, refusals: [] });
    const operation = await restart(second);
    expect(operation).toMatchObject({ state: 'succeeded' });
    expect(operation.steps.find(({ step }) => step === 'Record')).toMatchObject({ state: 'skipped' });
    const resumed = await ended(second.client, (await second.client.clusters.resume({ clusterId })).operationId);
    expect(resumed.failure).toMatchObject({ kind: 'noAuthorityKey', nextStep: expect.stringContaining('export-keys') });
    expect(await failureOf(second.client.clusters.access({ clusterId }))).toMatchObject({ kind: 'noAuthorityKey' });
    expect(existsSync(join(second.stateDir, 'clusters', clusterId, 'ca.key'))).toBe(false);
  });

  it('hands its key over under a passphrase, and to no other', async () => {
    const { sealed } = await first.client.clusters.exportKeys({ clusterId, passphrase });
    expect(sealed).not.toContain('PRIVATE');
    const wrong = await failureOf(second.client.clusters.importKeys({ sealed, passphrase: `${passphrase}!` }));
    expect(wrong).toMatchObject({ kind: 'wrongPassphrase' });
    const changed = sealed.replace('"name": "orders"', '"name": "others"');
    expect(await failureOf(second.client.clusters.importKeys({ sealed: changed, passphrase }))).toMatchObject({
      kind: 'wrongPassphrase',
    });
    expect(await second.client.clusters.importKeys({ sealed, passphrase })).toMatchObject({ clusterId, authority });
    const key = (console: Console) => readFileSync(join(console.stateDir, 'clusters', clusterId, 'ca.key'), 'utf8');
    expect(key(second)).toBe(key(first));
  });

  it('is upgraded by the second, and the first learns that it is behind', async () => {
    const bundle = join(consoles.dist, 'another.cjs');
    writeFileSync(bundle, `// another version\n${readFileSync(resources.nodeBundlePath, 'utf8')}`);
    const newer = { ...resources, nodeBundlePath: bundle, nodeBundleVersion: '0.0.1-another' };
    second = await consoles.again(second, newer);
    const { operationId } = await second.client.clusters.apply({ name: 'orders', plan: null, why: 'newer' });
    await succeeded(second.client, operationId);

    const { failure } = await restart(first);
    expect(failure).toMatchObject({ kind: 'behind', message: expect.stringContaining('this console knows 2') });
    expect(failure?.nextStep).toContain('synod cluster adopt --host a-1');
    const plan = await first.client.clusters.plan({ clusterId });
    expect(plan).toMatchObject({ hash: null, refusals: [expect.stringContaining('Another console changed orders')] });
    const applied = await first.client.clusters.apply({ name: 'orders', plan: null, why: 'not knowing' });
    expect((await ended(first.client, applied.operationId)).failure).toMatchObject({ kind: 'behind' });
    expect(consoles.namesAt('releases')).toEqual(
      [0, 1, 2].map(() => expect.arrayContaining([resources.nodeBundleVersion, '0.0.1-another'])),
    );

    expect(await first.client.clusters.lookToAdopt(askedOf(first))).toMatchObject({ standing: 'behind', hasKey: true });
    expect(await adoptAt(first)).toMatchObject({ standing: 'same' });
    first = await consoles.again(first, newer);
    expect(await restart(first)).toMatchObject({ state: 'succeeded' });
    expect((await restart(second)).failure).toMatchObject({ kind: 'behind' });
  });

  it('is not changed by a console whose record is stale, even where hosts have lost theirs', async () => {
    for (const at of [1, 2]) rmSync(consoles.pathAt(at, ...recordFile()));
    expect((await restart(second)).failure).toMatchObject({ kind: 'behind', host: 'b-1' });
    expect(await restart(first)).toMatchObject({ state: 'succeeded' });
    expect(new Set(consoles.filesAt(...recordFile())).size).toBe(1);
  });

  it('gets a new authority from the first, which the second takes over only by its name and with its key', async () => {
    const rotate = { clusterId, authority: true, hold: false, why: 'a test' };
    await succeeded(first.client, (await first.client.clusters.rotateCertificates(rotate)).operationId);
    const failure = await failureOf(second.client.clusters.lookToAdopt(askedOf(second)));
    expect(failure).toMatchObject({ kind: 'recordNotOurs' });
    expect((await restart(second)).failure).toMatchObject({ kind: 'recordNotOurs', host: 'b-1' });
    const exported = await first.client.clusters.exportKeys({ clusterId, passphrase });
    expect(exported.authority).not.toBe(authority);
    const { sealed } = exported;
    expect(await failureOf(second.client.clusters.importKeys({ sealed, passphrase }))).toMatchObject({
      kind: 'otherAuthority',
    });
    const request = { ...askedOf(second), authority: exported.authority };
    const { digest } = await second.client.clusters.lookToAdopt(request);
    expect(await second.client.clusters.adopt({ ...request, digest })).toMatchObject({ hasKey: false });
    await second.client.clusters.importKeys({ sealed, passphrase });
    expect(await restart(second)).toMatchObject({ state: 'succeeded' });
    expect(await second.client.clusters.plan({ clusterId })).toMatchObject({ changes: 0, refusals: [] });
  });

  it('is taken down by the second after it has adopted it, with nothing left', async () => {
    await adoptAt(second);
    const { operationId } = await second.client.actions.run({
      kind: 'clusterDestroy',
      clusterId,
      confirmName: 'orders',
    });
    await succeeded(second.client, operationId);
    for (const { home } of consoles.lab.hosts) expect(existsSync(join(home, '.synod'))).toBe(false);
  });
});
