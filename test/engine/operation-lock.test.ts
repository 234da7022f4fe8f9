/** Two consoles that want to change one cluster: at once, after each other's death, and after a sleep. Real engines, some to be killed. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Operation } from '../../electron/contract/model.ts';
import type { EngineResources } from '../../electron/engine/engine.ts';
import { ownerIn } from '../../electron/engine/provision/shared/lock-file.ts';
import { until } from '../fixtures/until.ts';
import { buildResources, ended, succeeded, withSmallRuntime } from './engine-under-test.ts';
import { killAtStep, pauseAtStep } from './kill-engine.ts';
import { type Console, Consoles } from './two-consoles.ts';

const ports = { peerPort: 17_680, clientPort: 17_679 };
/** Short, so that an owner's death need not be waited for long; long enough to be renewed in time on a busy computer. */
const lockSeconds = 12;

describe.skipIf(process.platform !== 'linux')('the operation lock of a cluster', { timeout: 240_000 }, () => {
  const consoles = new Consoles();
  const passphrase = 'correct horse battery staple';
  let resources: EngineResources;
  let first: Console;
  let second: Console;
  let clusterId = '';

  beforeAll(async () => {
    process.env['SYNOD_TEST_LOCK_SECONDS'] = String(lockSeconds);
    resources = withSmallRuntime(await buildResources(consoles.dist), consoles.dist);
    await consoles.up(resources, 3);
    first = await consoles.start(resources, ['a-1', 'a-2', 'a-3'], { lockSeconds });
    const hostIds = first.hosts.map((host) => host.hostId);
    const created = await first.client.clusters.create({ name: 'orders', hostIds, ...ports });
    await succeeded(first.client, created.operationId);
    clusterId = created.clusterId;
    const { sealed } = await first.client.clusters.exportKeys({ clusterId, passphrase });
    second = await consoles.start(resources, ['b-1', 'b-2', 'b-3'], { lockSeconds });
    await second.client.clusters.importKeys({ sealed, passphrase });
    await adoptAt(second);
  }, 180_000);
  afterAll(async () => {
    delete process.env['SYNOD_TEST_LOCK_SECONDS'];
    await consoles.down();
  });

  const adoptAt = async ({ client, hosts }: Console) => {
    const request = { hostIds: hosts.map(({ hostId }) => hostId), cluster: null, authority: null };
    const { digest } = await client.clusters.lookToAdopt(request);
    return client.clusters.adopt({ ...request, digest });
  };
  const restart = async ({ client }: Console) =>
    ended(client, (await client.clusters.restart({ clusterId, why: null })).operationId);
  const locks = () => consoles.filesAt('locks', `${clusterId}.json`);
  const records = () => consoles.filesAt('clusters', `${clusterId}.json`);
  const lockStep = ({ steps }: Operation) => steps.find(({ step }) => step === 'Lock');
  /** Commands that could change a host. */
  const changesOf = async ({ client }: Console, operationId: string) => {
    const entries = await client.audit.list({ limit: 20 });
    const commands = entries.find((entry) => entry.operationId === operationId)?.commands ?? [];
    return commands.map(({ command }) => command).filter((command) => !/^(look at|take|release)/.test(command));
  };

  it('goes to one of two that begin at once, and the other changes nothing', async () => {
    const before = records();
    const both = await Promise.all([first, second].map(async (one) => ({ one, operation: await restart(one) })));
    const won = both.filter(({ operation }) => operation.state === 'succeeded');
    const lost = both.filter(({ operation }) => operation.state === 'failed');
    expect([won.length, lost.length], JSON.stringify(both.map(({ operation }) => operation.failure))).toEqual([1, 1]);
    const [winner, loser] = [won[0]?.operation, lost[0]?.operation];
    expect(loser?.failure).toMatchObject({ kind: 'lockedByOther', host: expect.stringMatching(/^[ab]-1$/) });
    expect(loser?.failure?.message).toContain(`"Restart orders", ${winner?.operationId}, since 20`);
    expect(loser?.failure?.nextStep).toMatch(/within \d+ s/);
    expect(await changesOf(lost[0]?.one as Console, loser?.operationId ?? '')).toEqual([]);
    const [record, ...others] = records();
    expect(others).toEqual([record, record]);
    expect(record).not.toBe(before[0]);
    expect(record).toContain(winner?.operationId);
    expect(locks()).toEqual([null, null, null]);
    for (const one of [first, second]) await adoptAt(one);
  });

  it('is held against others by an engine that was killed, and not against itself', async () => {
    await consoles.close(first.stateDir);
    await killAtStep({ stateDir: first.stateDir, resources, work: ['restart', 'orders'] }, 'Restart node');
    const owners = locks().map((text) => ownerIn(text ?? ''));
    expect(owners).toEqual(owners.map(() => expect.objectContaining({ title: 'Restart orders' })));
    first = await consoles.again(first, resources, { lockSeconds });
    expect((await adoptAt(second)).lastOperation).toMatchObject({ title: 'Restart orders', result: 'inProgress' });
    const operation = await restart(first);
    expect(operation).toMatchObject({ state: 'succeeded' });
    expect(lockStep(operation)?.detail).toBe('on 3 of 3 hosts');
    expect(locks()).toEqual([null, null, null]);
  });

  it('is taken over from a dead owner once it has expired, and that is said', async () => {
    await consoles.close(first.stateDir);
    await killAtStep({ stateDir: first.stateDir, resources, work: ['restart', 'orders'] }, 'Restart node');
    await adoptAt(second);
    const early = await restart(second);
    expect(early.failure).toMatchObject({ kind: 'lockedByOther', host: 'b-1' });
    expect(early.failure?.message).toMatch(/expires in \d+ s unless it is renewed/);
    expect(await changesOf(second, early.operationId)).toEqual([]);
    let operation = early;
    const isTried = async () => {
      operation = await restart(second);
      return operation.failure?.kind !== 'lockedByOther';
    };
    await until('the dead owner keeps nobody out', isTried, 60_000);
    expect(operation).toMatchObject({ state: 'succeeded' });
    expect(lockStep(operation)?.detail).toMatch(
      /taken over on b-1 from .* \("Restart orders"\), whose lock had expired/,
    );
  });

  it('is lost by an owner that slept, which then stops and says so', async () => {
    first = await consoles.again(first, resources, { lockSeconds });
    await adoptAt(first);
    await consoles.close(first.stateDir);
    const asleep = await pauseAtStep(
      { stateDir: first.stateDir, resources, work: ['restart', 'orders'] },
      'Level again',
    );
    const takeOver = async () => {
      await adoptAt(second);
      await until('the other restarts', async () => (await restart(second)).state === 'succeeded', 60_000);
      return asleep.wake();
    };
    const said = await takeOver().finally(() => asleep.kill());
    expect(said).toMatch(/^ended failed .*"kind":"lockLost"/);
    expect(said).toContain('another one took it');
    expect(new Set(records()).size).toBe(1);
    expect(locks()).toEqual([null, null, null]);
  });
});
