/** etcd's own command line against our API: Debian's etcdctl 3.4. */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ClientServer, createClientServer } from '../../cluster-node/api/client-server.ts';
import { ETCDCTL, hasEtcdctl } from './real-etcd.ts';
import { SingleMachinePort } from './single-machine-port.ts';

const run = promisify(execFile);
const env = { ...process.env, ETCDCTL_API: '3' };
const port = new SingleMachinePort();
let server: ClientServer;
let endpoint: string;

beforeAll(async () => {
  server = createClientServer(port, null);
  endpoint = `127.0.0.1:${await server.listen({ host: '127.0.0.1', port: 0 })}`;
});
afterAll(() => server.close(10));

const flags = () => [`--endpoints=${endpoint}`, '--command-timeout=3s', '--dial-timeout=2s'];
async function etcdctl(...args: string[]): Promise<string> {
  return (await run(ETCDCTL, [...flags(), ...args], { env })).stdout.trim();
}

function etcdctlReading(input: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(ETCDCTL, [...flags(), ...args], { env, stdio: ['pipe', 'pipe', 'ignore'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', reject).on('close', () => resolve(output.trim()));
    child.stdin.end(input);
  });
}

describe.skipIf(!hasEtcdctl)('etcdctl (skipped: no etcdctl where it is not installed)', () => {
  test('put, get, prefix, the past, del', async () => {
    expect(await etcdctl('put', 'p/a', '1')).toBe('OK');
    expect(await etcdctl('put', 'p/b', 'two words')).toBe('OK');
    expect(await etcdctl('put', 'p/a', '3', '--prev-kv')).toBe('OK\np/a\n1');
    expect(await etcdctl('get', 'p/a')).toBe('p/a\n3');
    expect(await etcdctl('get', 'p/', '--prefix')).toBe('p/a\n3\np/b\ntwo words');
    expect(await etcdctl('get', 'p/a', '--rev=2', '--print-value-only')).toBe('1');
    expect(await etcdctl('get', '', '--prefix', '--keys-only', '--sort-by=MODIFY', '--order=DESCEND')).toBe(
      'p/a\n\np/b',
    );
    expect(await etcdctl('del', 'p/', '--prefix', '--prev-kv')).toBe('2\np/a\n3\np/b\ntwo words');
  });

  test('txn', async () => {
    const input = 'mod("t") = "0"\n\nput t created\nget t\n\nget t\n\n';
    expect((await etcdctlReading(input, 'txn')).split('\n').filter(Boolean)).toEqual(['SUCCESS', 'OK', 't', 'created']);
    expect((await etcdctlReading(input, 'txn')).split('\n').filter(Boolean)).toEqual(['FAILURE', 't', 'created']);
  });

  test('endpoint status and health, member list', async () => {
    const [status] = JSON.parse(await etcdctl('endpoint', 'status', '-w', 'json')) as [
      { Status: { version: string; leader: number; header: { member_id: number } } },
    ];
    expect(status.Status.version).toBe('3.5.21');
    expect(status.Status.leader).toBe(status.Status.header.member_id);
    expect(
      (await run(ETCDCTL, [...flags(), 'endpoint', 'health'], { env })).stderr + (await etcdctl('endpoint', 'health')),
    ).toContain('is healthy');
    expect(await etcdctl('member', 'list')).toContain(
      'started, node-1, https://127.0.0.1:1, http://127.0.0.1:1, false',
    );
  });

  test('alarms that nodes raise', async () => {
    port.trouble = { noSpace: false, corrupt: true };
    expect(await etcdctl('alarm', 'list')).toContain('alarm:CORRUPT');
    port.trouble = null;
    expect(await etcdctl('alarm', 'list')).toBe('');
  });

  test('compaction, and a read below it', async () => {
    await etcdctl('put', 'c', '1');
    await etcdctl('put', 'c', '2');
    const { header } = JSON.parse(await etcdctl('get', 'c', '-w', 'json')) as { header: { revision: number } };
    expect(await etcdctl('compaction', String(header.revision))).toBe(`compacted revision ${header.revision}`);
    await expect(etcdctl('get', 'c', `--rev=${header.revision - 1}`)).rejects.toMatchObject({
      stderr: expect.stringContaining('etcdserver: mvcc: required revision has been compacted') as string,
    });
  });

  test('snapshot save', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sy-save-'));
    try {
      const path = join(folder, 'a.db');
      expect(await etcdctl('snapshot', 'save', path)).toContain(`Snapshot saved at ${path}`);
      const bytes = readFileSync(path);
      expect(bytes.length % 512).toBe(32);
      expect(createHash('sha256').update(bytes.subarray(0, -32)).digest().equals(bytes.subarray(-32))).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
