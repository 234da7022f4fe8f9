/**
 * Debian's unmodified etcdctl against the endpoints that the demo prints: with all nodes, with one node down, and after a
 * failover. The demo is then interrupted as by Ctrl-C and must leave nothing.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../fixtures/until.ts';
import { isBuilt, type RunningCommand, startSynod } from './synod.ts';

const ETCDCTL = '/usr/bin/etcdctl';
const runs = isBuilt && existsSync(ETCDCTL);
const run = promisify(execFile);

interface DemoObject {
  readonly ok: boolean;
  readonly url: string;
  readonly endpoints: readonly string[];
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string } | null;
  readonly nodes: readonly { readonly name: string; readonly endpoint: string }[];
}

describe.skipIf(!runs)('etcdctl against the demo', () => {
  let demo: RunningCommand;
  let cluster: DemoObject;
  const temporary = mkdtempSync(join(tmpdir(), 'synod-ctl-'));

  beforeAll(async () => {
    demo = startSynod(['demo', '--headless', '--json'], { TMPDIR: temporary });
    cluster = (await demo.firstObject) as unknown as DemoObject;
  }, 60_000);

  afterAll(async () => {
    demo.process.kill('SIGINT');
    expect(await demo.exited, demo.said()).toBe(0);
    expect(demo.said()).toContain('nothing is left behind');
    rmSync(temporary, { recursive: true });
  }, 60_000);

  async function etcdctl(args: readonly string[], stdin?: string): Promise<string> {
    const tls = cluster.tls;
    const secure = tls === null ? [] : ['--cacert', tls.ca, '--cert', tls.cert, '--key', tls.key];
    const child = run(ETCDCTL, ['--endpoints', cluster.endpoints.join(','), ...secure, ...args], {
      env: { ...process.env, ETCDCTL_API: '3' },
      timeout: 20_000,
    });
    child.child.stdin?.end(stdin ?? '');
    const { stdout } = await child;
    return stdout;
  }

  /** The command line finds the demo's engine by its state folder. */
  async function synod(args: readonly string[]): Promise<void> {
    const state = join(temporary, readdirSync(temporary).find((name) => name.startsWith('synod-demo-')) ?? '', 'state');
    const command = startSynod(['--state', state, '--json', ...args]);
    expect(await command.exited, command.said()).toBe(0);
  }

  async function everyCommandWorks(round: string): Promise<void> {
    expect(await etcdctl(['put', `${round}/a`, '1'])).toBe('OK\n');
    expect(await etcdctl(['put', `${round}/b`, '2'])).toBe('OK\n');
    expect(await etcdctl(['get', `${round}/a`, '--print-value-only'])).toBe('1\n');
    expect(await etcdctl(['get', '--prefix', `${round}/`])).toBe(`${round}/a\n1\n${round}/b\n2\n`);
    const txn = `value("${round}/a") = "1"\n\nput ${round}/a 3\nget ${round}/a\n\nget ${round}/b\n\n`;
    expect(await etcdctl(['txn'], txn)).toContain(`SUCCESS\n\nOK\n\n${round}/a\n3\n`);
    expect(await etcdctl(['del', '--prefix', `${round}/`])).toBe('2\n');
    expect((await etcdctl(['member', 'list'])).trim().split('\n')).toHaveLength(cluster.endpoints.length);
  }

  it('works with all nodes up', async () => {
    await everyCommandWorks('first');
    const status = JSON.parse(await etcdctl(['endpoint', 'status', '-w', 'json'])) as {
      Status: { leader: number; header: { member_id: number } };
    }[];
    expect(status).toHaveLength(cluster.endpoints.length);
    expect(status.filter((one) => one.Status.leader === one.Status.header.member_id)).toHaveLength(1);
  }, 60_000);

  it('works while one node is down', async () => {
    const node = cluster.nodes[0]?.name as string;
    await synod(['node', 'stop', node]);
    await everyCommandWorks('second');
    await synod(['node', 'start', node]);
  }, 60_000);

  it('works after a failover', async () => {
    // On a very busy machine the lead may move by itself between the look and the command: then it is tried again.
    await until(
      'a failover',
      async () => {
        const status = JSON.parse(await etcdctl(['endpoint', 'status', '-w', 'json'])) as {
          Endpoint: string;
          Status: { leader: number; header: { member_id: number } };
        }[];
        const follower = status.find((one) => one.Status.leader !== one.Status.header.member_id)?.Endpoint;
        await synod(['failover', cluster.nodes.find((node) => node.endpoint === follower)?.name as string]);
        return true;
      },
      30_000,
    );
    await everyCommandWorks('third');
  }, 60_000);
});

if (!runs) it(`skipped: needs a build and ${ETCDCTL} (Debian: etcd-client)`, ({ skip }) => skip());
