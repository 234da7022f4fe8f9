/** A real etcd of one member on free loopback ports, for comparison; null where the binary is not installed. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { EtcdClient } from '../../electron/engine/etcd/client.ts';

export const ETCD = '/usr/bin/etcd';
export const ETCDCTL = '/usr/bin/etcdctl';
export const hasEtcd = existsSync(ETCD);
export const hasEtcdctl = existsSync(ETCDCTL);

export interface RealEtcd {
  readonly endpoint: string;
  stop(): Promise<void>;
}

export async function startEtcd(): Promise<RealEtcd> {
  const dir = mkdtempSync(path.join(tmpdir(), 'synod-etcd-'));
  const client = `http://127.0.0.1:${await freePort()}`;
  const peer = `http://127.0.0.1:${await freePort()}`;
  const args = ['--name=one', `--data-dir=${dir}/data`, '--log-level=error', '--unsafe-no-fsync'];
  args.push(`--listen-client-urls=${client}`, `--advertise-client-urls=${client}`, `--listen-peer-urls=${peer}`);
  args.push(`--initial-advertise-peer-urls=${peer}`, `--initial-cluster=one=${peer}`);
  const child = spawn(ETCD, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-4000)));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const stop = async () => {
    child.kill('SIGKILL');
    await ended;
    rmSync(dir, { recursive: true, force: true });
  };
  if (await answers(client, 15_000)) return { endpoint: client, stop };
  await stop();
  throw new Error(`etcd did not answer within 15 s: ${stderr}`);
}

async function answers(endpoint: string, deadlineMs: number): Promise<boolean> {
  const etcd = new EtcdClient({ endpoint, tls: null }, { callMs: 500, connectMs: 300 });
  const endAtMs = Date.now() + deadlineMs;
  try {
    while (Date.now() < endAtMs) {
      const reply = await etcd.get('ready').then(
        () => true,
        () => new Promise<false>((resolve) => setTimeout(() => resolve(false), 50)),
      );
      if (reply) return true;
    }
    return false;
  } finally {
    etcd.close();
  }
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
