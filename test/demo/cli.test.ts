/** The command line without a running engine: each command is an engine of its own, and the state folder is all they share. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { isBuilt, startSynod } from './synod.ts';

describe.skipIf(!isBuilt)('synod, one command after another', () => {
  const folder = mkdtempSync(join(tmpdir(), 'synod-cli-'));
  const stateDir = join(folder, 'state');

  async function synod(...args: string[]): Promise<{ code: number; result: Record<string, unknown>; said: string }> {
    const command = startSynod(['--state', stateDir, '--json', ...args]);
    const result = await command.firstObject.catch(() => ({}));
    return { code: await command.exited, result, said: command.said() };
  }
  async function succeeds(...args: string[]): Promise<Record<string, unknown>> {
    const { code, result, said } = await synod(...args);
    expect(code, said).toBe(0);
    expect(result).toMatchObject({ ok: true });
    return result;
  }
  interface ClusterStatus {
    readonly leader: { readonly nodeId: string } | null;
    readonly nodes: readonly { readonly nodeId: string; readonly name: string; readonly condition: string }[];
  }
  async function status(): Promise<ClusterStatus> {
    const { clusters } = (await succeeds('cluster', 'status', 'orders')) as unknown as { clusters: ClusterStatus[] };
    return clusters[0] as ClusterStatus;
  }
  const leaderOf = (cluster: ClusterStatus) =>
    cluster.nodes.find((node) => node.nodeId === cluster.leader?.nodeId)?.name;

  afterAll(async () => {
    await synod('lab', 'down', '--confirm', 'lab');
    rmSync(folder, { recursive: true });
  }, 60_000);

  it('makes hosts and a cluster on them', async () => {
    await succeeds('lab', 'up', '--hosts', '3');
    expect((await succeeds('host', 'list'))['hosts']).toHaveLength(3);
    expect(await succeeds('host', 'check', 'host-2')).toMatchObject({ ok: true });
    const created = await succeeds('cluster', 'create', 'orders', '--hosts', 'host-1,host-2,host-3');
    expect(created['endpoints']).toHaveLength(3);
  }, 90_000);

  it('finds everything done the second time', async () => {
    const { code, said } = await synod('cluster', 'create', 'orders', '--hosts', 'host-1,host-2,host-3');
    expect(code, said).toBe(0);
    expect(said).toMatch(/Runtime: unchanged/);
    expect(said).not.toMatch(/(Runtime|Node program|Certificates|Configuration|Start node): succeeded/);
  }, 60_000);

  it('moves the leader, kills it, cuts it off and heals', async () => {
    const first = leaderOf(await status());
    const target = first === 'node-1' ? 'node-2' : 'node-1';
    await succeeds('failover', target);
    expect(leaderOf(await status())).toBe(target);
    await succeeds('node', 'kill', target);
    await succeeds('fault', 'inject', '--isolate', target, '--ttl', '60');
    expect((await status()).nodes.find((node) => node.name === target)?.condition).toBe('minority');
    expect((await succeeds('fault', 'list'))['faults']).toMatchObject([{ state: 'active' }]);
    await succeeds('fault', 'heal');
    expect((await status()).nodes.every((node) => ['leader', 'follower'].includes(node.condition))).toBe(true);
  }, 90_000);

  it('stops a node, says so at once, has nothing to do the second time, and starts it', async () => {
    await succeeds('node', 'stop', 'node-3');
    expect((await status()).nodes.find((node) => node.name === 'node-3')?.condition).toBe('stopped');
    expect(await succeeds('node', 'stop', 'node-3')).toMatchObject({
      operation: { steps: [], outcome: expect.stringContaining('nothing to do') },
    });
    await succeeds('node', 'start', 'node-3');
  }, 60_000);

  it('tells wrong use from failure, and names what there is', async () => {
    for (const args of [
      ['cluster', 'destroy', 'orders'],
      ['failover', 'node-9'],
      ['cluster', 'status', 'payments'],
      ['fault', 'inject'],
      ['fault', 'inject', '--cut', 'node-1|node-1'],
      ['host', 'add'],
      ['lab', 'up', '--hosts', '0'],
      ['cluster', 'create', 'Orders_2', '--hosts', 'host-1'],
      ['cluster', 'create', 'twice', '--hosts', 'host-1,host-1'],
      ['no-such-word'],
    ]) {
      const { code, said } = await synod(...args);
      expect(code, args.join(' ')).toBe(2);
      expect(said).not.toBe('');
    }
    expect((await synod('cluster', 'status', 'payments')).said).toContain('There are: orders');
    const dead = await synod('host', 'add', 'dead', '--address', '127.0.0.99', '--port', '9', '--user', 'nobody');
    expect(dead.code).toBe(1);
    expect(dead.result).toMatchObject({ ok: false, error: { nextStep: expect.stringMatching(/./) } });
    expect((await succeeds('host', 'list'))['hosts']).toHaveLength(3);
  }, 60_000);

  it('removes the cluster from its hosts, and then the hosts', async () => {
    await succeeds('cluster', 'destroy', 'orders', '--confirm', 'orders');
    for (const host of ['host-1', 'host-2', 'host-3'])
      expect(readdirSync(join(stateDir, 'lab', host)).filter((name) => name === '.synod')).toEqual([]);
    expect(await succeeds('lab', 'down', '--confirm', 'lab')).toMatchObject({ residue: [] });
  }, 60_000);
});

if (!isBuilt) it('skipped: needs a build (npm run build)', ({ skip }) => skip());
