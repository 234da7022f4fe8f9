/**
 * Bad input: each is refused with its cause and the next step, changes nothing that it should not, and once put right the
 * same thing works. The hosts are real SSH servers, added as an operator's own.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NewHost, HostView } from '../../electron/contract/model.ts';
import type { EngineResources } from '../../electron/engine/engine.ts';
import { labUp } from '../../electron/engine/lab/lab.ts';
import type { LabState } from '../../electron/engine/lab/lab-state.ts';
import { newKeyPair } from '../../electron/engine/ssh/key-pair.ts';
import {
  buildResources,
  cleanUp,
  type EngineUnderTest,
  ended,
  makeStateDir,
  startEngine,
  succeeded,
  withSmallRuntime,
} from './engine-under-test.ts';

const isRoot = process.getuid?.() === 0;

describe.skipIf(process.platform !== 'linux')('bad input', { timeout: 180_000 }, () => {
  const stateDir = makeStateDir();
  const dist = join(stateDir, 'dist');
  let resources: EngineResources;
  let under: EngineUnderTest;
  let lab: LabState;
  const ports = { peerPort: 17_380, clientPort: 17_379 };

  beforeAll(async () => {
    resources = withSmallRuntime(await buildResources(dist), dist);
    const script = resources.labServerPath ?? '';
    lab = await labUp({ root: join(stateDir, 'lab'), hosts: 3, server: { execPath: process.execPath, script } });
    under = await startEngine(stateDir, resources);
  });
  afterAll(async () => {
    await under.engine.close();
    await cleanUp(stateDir);
  });

  const labHost = (at: number) => {
    const host = lab.hosts[at];
    if (!host) throw new Error(`the lab has no host ${at}`);
    return host;
  };
  const addressOf = (at: number, changed: Partial<NewHost> = {}): NewHost => ({
    name: `op-${at + 1}`,
    address: labHost(at).address,
    port: labHost(at).sshPort,
    user: lab.user,
    auth: { kind: 'key', path: lab.clientKeyPath },
    ...changed,
  });
  const hosts = new Map<number, HostView>();
  const hostOf = (at: number): HostView => {
    const host = hosts.get(at);
    if (!host) throw new Error(`host ${at} was not added`);
    return host;
  };
  const trust = (host: HostView) =>
    under.client.hosts.trustKey({ hostId: host.hostId, fingerprint: host.reachability.offeredKey?.fingerprint ?? '' });
  const failureOf = async (promise: Promise<unknown>) => {
    const error = await promise.then(
      () => null,
      (reason: unknown) => reason as { code: string; data: { kind: string; message: string; nextStep: string } },
    );
    expect(error).toMatchObject({ code: 'FAILED' });
    expect(error?.data.nextStep).not.toBe('');
    return error?.data;
  };

  it('an unknown host key waits until that very fingerprint is confirmed', async () => {
    for (const at of [0, 1, 2]) {
      const added = await under.client.hosts.add(addressOf(at));
      expect(added.reachability.state).toBe('hostKeyUnknown');
      expect(added.reachability.offeredKey?.fingerprint).toBe(labHost(at).hostKeyFingerprint);
      const wrong = { hostId: added.hostId, fingerprint: `SHA256:${'A'.repeat(43)}` };
      expect((await failureOf(under.client.hosts.trustKey(wrong)))?.message).toMatch(/not the one/);
      const trusted = await trust(added);
      expect(trusted.reachability.state).toBe('reachable');
      expect(trusted.facts?.home).toBe(labHost(at).home);
      hosts.set(at, trusted);
    }
    const { items } = await under.client.hosts.check({ hostId: hostOf(0).hostId });
    expect(items.filter((item) => item.verdict === 'fail')).toEqual([]);
    expect(items.map((item) => item.check)).toEqual(
      expect.arrayContaining(['reachable', 'architecture', 'free space', 'clock']),
    );
  });

  it('the same login twice is refused', async () => {
    const failure = await failureOf(under.client.hosts.add(addressOf(0, { name: 'again' })));
    expect(failure).toMatchObject({ kind: 'duplicateHost', message: expect.stringContaining('op-1') });
  });

  it('a host that does not answer is added, and refused in a cluster', async () => {
    const dead = await under.client.hosts.add({ ...addressOf(0), name: 'dead', address: '127.0.0.77', port: 9 });
    expect(dead.reachability.state).toBe('unreachable');
    const { items } = await under.client.hosts.check({ hostId: dead.hostId });
    expect(items).toMatchObject([{ check: 'reachable', verdict: 'fail', nextStep: expect.any(String) }]);
    const hostIds = [hostOf(0).hostId, hostOf(1).hostId, dead.hostId];
    const failure = await failureOf(under.client.clusters.create({ name: 'orders', hostIds, ...ports }));
    expect(failure?.message).toMatch(/dead cannot be used now: connection refused/);
    expect(readdirSync(labHost(0).home)).toEqual([]);
    await under.client.hosts.remove({ hostId: dead.hostId });
  });

  it('a wrong key is told from a wrong address', async () => {
    const path = join(stateDir, 'stranger');
    writeFileSync(path, newKeyPair().private, { mode: 0o600 });
    // Another way to write the address makes it another login.
    const address = `::ffff:${labHost(0).address}`;
    const added = await under.client.hosts.add(
      addressOf(0, { name: 'stranger', address, auth: { kind: 'key', path } }),
    );
    const trusted = await trust(added);
    expect(trusted.reachability).toMatchObject({
      state: 'authFailed',
      failure: { kind: 'authFailed', host: 'stranger' },
    });
    await under.client.hosts.remove({ hostId: added.hostId });
  });

  it('two names of one machine are refused', async () => {
    const address = `::ffff:${labHost(0).address}`;
    const twin = await under.client.hosts.add(addressOf(0, { name: 'twin', address }));
    expect(twin.reachability.state).toBe('reachable');
    const hostIds = [hostOf(0).hostId, hostOf(1).hostId, twin.hostId];
    const plan = await under.client.clusters.plan({ name: 'orders', hostIds, ...ports });
    expect(plan.refusals).toEqual([expect.stringMatching(/op-1 and twin are the same machine/)]);
    const { items } = await under.client.hosts.check({ hostId: twin.hostId });
    expect(items.find((item) => item.check === 'machine identity')).toMatchObject({ verdict: 'fail' });
    await under.client.hosts.remove({ hostId: twin.hostId });
  });

  it('a port in use is refused, and free again is fine', async () => {
    const server = createServer().listen(ports.peerPort, labHost(1).address);
    await once(server, 'listening');
    const hostIds = [0, 1, 2].map((at) => hostOf(at).hostId);
    const failure = await failureOf(under.client.clusters.create({ name: 'orders', hostIds, ...ports }));
    expect(failure?.message).toMatch(/op-2: something listens on port 17380/);
    server.close();
    await once(server, 'close');
    const plan = await under.client.clusters.plan({ name: 'orders', hostIds, ...ports });
    expect(plan.refusals).toEqual([]);
    expect(plan.puts).toHaveLength(12);
  });

  it('somebody else’s ~/.synod is not touched, no host is changed, and a second run recovers', async () => {
    const foreign = join(labHost(2).home, '.synod');
    mkdirSync(foreign);
    writeFileSync(join(foreign, 'diary.txt'), 'mine');
    const hostIds = [0, 1, 2].map((at) => hostOf(at).hostId);
    const request = { name: 'orders', hostIds, ...ports };
    expect(await failureOf(under.client.clusters.create(request))).toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/^op-3: .*diary\.txt/),
    });
    expect(readFileSync(join(foreign, 'diary.txt'), 'utf8')).toBe('mine');
    expect(existsSync(join(labHost(0).home, '.synod'))).toBe(false);
    expect((await under.client.fleet.get()).clusters).toEqual([]);
    rmSync(foreign, { recursive: true });
    const { hash } = await under.client.clusters.plan(request);
    mkdirSync(foreign, { mode: 0o700 });
    const applied = await under.client.clusters.apply({ name: 'orders', plan: hash, why: null });
    const { clusterId } = applied;
    expect((await ended(under.client, applied.operationId)).failure).toMatchObject({
      kind: 'stalePlan',
      message: expect.stringMatching(/op-3: .*\.synod was absent, is folder/),
    });
    expect(existsSync(join(labHost(0).home, '.synod'))).toBe(false);
    expect((await under.client.fleet.get()).clusters).toMatchObject([{ lifecycle: 'incomplete' }]);
    await succeeded(under.client, (await under.client.clusters.resume({ clusterId })).operationId);
    expect(await under.client.clusters.plan({ clusterId })).toMatchObject({ changes: 0, refusals: [] });
    await expect(under.client.hosts.remove({ hostId: hostOf(0).hostId })).rejects.toMatchObject({
      data: { kind: 'hostInUse' },
    });
    await destroy(clusterId);
  });

  it('data of another cluster in the node’s place is not touched', async () => {
    const hostIds = [hostOf(0).hostId];
    const { operationId, clusterId } = await under.client.clusters.create({ name: 'solo', hostIds, ...ports });
    await succeeded(under.client, operationId);
    const nodeId = (await under.client.fleet.get()).clusters[0]?.nodes[0]?.nodeId ?? '';
    const config = join(labHost(0).home, '.synod/nodes', nodeId, 'config.json');
    const own = readFileSync(config, 'utf8');
    const other = JSON.stringify({ clusterId: 'c-zzzzzzzz', nodeId });
    writeFileSync(config, other);
    const again = await ended(under.client, (await under.client.clusters.resume({ clusterId })).operationId);
    expect(again.failure).toMatchObject({ kind: 'foreignData', host: 'op-1' });
    expect(readFileSync(config, 'utf8')).toBe(other);
    writeFileSync(config, own);
    await succeeded(under.client, (await under.client.clusters.resume({ clusterId })).operationId);
    await destroy(clusterId);
  });

  it.skipIf(!isRoot)(
    'a home on a full or read-only file system is refused with the figure (needs root: mount)',
    async () => {
      const { home } = labHost(1);
      const hostIds = [0, 1, 2].map((at) => hostOf(at).hostId);
      const refusal = async () => (await under.client.clusters.plan({ name: 'full', hostIds, ...ports })).refusals;
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', home]);
      try {
        expect(await refusal()).toEqual([expect.stringMatching(/op-2 has 6\d MiB free/)]);
        execFileSync('mount', ['-o', 'remount,ro,size=2g', home]);
        expect(await refusal()).toEqual([expect.stringMatching(/op-2: \w+ cannot write to/)]);
        execFileSync('mount', ['-o', 'remount,rw,noexec,size=2g', home]);
        expect(await refusal()).toEqual([expect.stringMatching(/op-2: programs may not be run/)]);
      } finally {
        execFileSync('umount', [home]);
      }
      expect(await refusal()).toEqual([]);
    },
  );

  it('a changed host key is refused until somebody decides', async () => {
    const known = join(stateDir, 'known_hosts');
    const other = newKeyPair().public;
    const before = readFileSync(known, 'utf8');
    writeFileSync(known, before.replace(labHost(2).hostPublicKey, other.split(' ').slice(0, 2).join(' ')));
    await under.engine.close();
    under = await startEngine(stateDir, resources);
    const { host, items } = await under.client.hosts.check({ hostId: hostOf(2).hostId });
    expect(host.reachability.state).toBe('hostKeyChanged');
    expect(items.at(-1)).toMatchObject({ check: 'host key', verdict: 'fail' });
    expect((await failureOf(trust(host)))?.kind).toBe('noOfferedKey');
    writeFileSync(known, before);
    const again = await under.client.hosts.check({ hostId: hostOf(2).hostId });
    expect(again.host.reachability.state).toBe('reachable');
  });

  async function destroy(clusterId: string): Promise<void> {
    const name = (await under.client.fleet.get()).clusters.find((one) => one.clusterId === clusterId)?.name ?? '';
    const started = await under.client.actions.run({ kind: 'clusterDestroy', clusterId, confirmName: name });
    await succeeded(under.client, started.operationId);
    for (const host of lab.hosts) expect(readdirSync(host.home)).toEqual([]);
  }
});
