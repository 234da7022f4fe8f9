/**
 * The two clusters that are compared: three processes each on loopback, all data in one folder (so on one file system), every
 * write synced before it is answered (neither program is told otherwise), mutual TLS between nodes with certificates of the
 * same authority, clients in the clear, and each program's own defaults for everything else. Of etcd only the quota is raised,
 * since a benchmark writes more than its 2 GiB.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  MoveLeaderRequest,
  RangeRequest,
  RangeResponse,
  StatusRequest,
  StatusResponse,
} from '../../../cluster-node/contract/etcd/rpc.ts';
import { createAuthority, issue, peerLeaf } from '../../../electron/engine/provision/certificates.ts';
import { freePorts } from '../../fixtures/free-ports.ts';
import { createTestCluster, type TestCluster, type TestNode } from '../../fixtures/test-cluster.ts';
import { until } from '../../fixtures/until.ts';
import { connectGrpc } from './grpc-connection.ts';
import { RANGE } from './workload.ts';

const ETCD = '/usr/bin/etcd';
export const hasEtcd = existsSync(ETCD);
const SIZE = 3;
const TMPFS_MAGIC = 0x01021994;
const ETCD_QUOTA_BYTES = 16 * 2 ** 30;

export interface BenchNode {
  readonly name: string;
  readonly clientPort: number;
  pid(): Promise<number>;
  start(): void;
  /** kill -9; done when the process is gone. */
  kill(): Promise<void>;
}

export interface BenchCluster {
  readonly name: string;
  readonly nodes: readonly BenchNode[];
  /** Hands leadership over; resolves when the program says that it is done. */
  transfer(from: BenchNode, to: BenchNode): Promise<void>;
  close(): Promise<void>;
}

/** Rejects when the data would not be on a disk. */
export async function startSynodCluster(): Promise<BenchCluster> {
  const cluster = await createTestCluster(SIZE);
  refuseMemory(cluster.root);
  for (const node of cluster.nodes) node.editConfig((config) => ((config['tls'] as { client: unknown }).client = null));
  cluster.start();
  const nodes = cluster.nodes.map((node) => synodNode(node));
  const transfer = (from: BenchNode, to: BenchNode) => transferSynod(cluster, { from, to });
  const started = { name: 'synod', nodes, transfer, close: () => cluster.close() };
  await leaderOf(started);
  return started;
}

function synodNode(node: TestNode): BenchNode {
  return {
    name: node.member.name,
    clientPort: node.member.clientPort,
    pid: async () => (await node.sample()).pid,
    start: () => node.start(),
    kill: () => node.kill(),
  };
}

async function transferSynod(cluster: TestCluster, { from, to }: { from: BenchNode; to: BenchNode }): Promise<void> {
  const byName = (name: string) => cluster.nodes.find((node) => node.member.name === name) as TestNode;
  const params = { target: byName(to.name).member.memberSlot, timeoutMs: 4000 };
  const { outcome, reason } = await byName(from.name).admin('transferLeadership', params);
  if (outcome !== 'transferred') throw new Error(`the transfer came to ${outcome}: ${reason}`);
}

/** Rejects when the data would not be on a disk. */
export async function startEtcdCluster(): Promise<BenchCluster> {
  const root = mkdtempSync(join(tmpdir(), 'synod-bench-etcd-'));
  refuseMemory(root);
  const ports = await freePorts(SIZE * 2);
  const authority = await createAuthority('c-bench001', Date.now());
  writeFileSync(join(root, 'ca.pem'), authority.certificate);
  const peerUrl = (index: number) => `https://127.0.0.1:${ports[index * 2]}`;
  const members = Array.from({ length: SIZE }, (_, index) => `etcd-${index + 1}=${peerUrl(index)}`).join(',');
  const nodes: EtcdNode[] = [];
  for (let index = 0; index < SIZE; index++) {
    const name = `etcd-${index + 1}`;
    const dir = join(root, name);
    const pair = await issue(authority, peerLeaf(name, '127.0.0.1'), Date.now());
    mkdirSync(dir);
    writeFileSync(join(dir, 'peer.pem'), pair.certificate);
    writeFileSync(join(dir, 'peer.key'), pair.key, { mode: 0o600 });
    const clientPort = ports[index * 2 + 1] as number;
    nodes.push(
      new EtcdNode({ name, clientPort, args: etcdArgs({ dir, name, clientPort, members, peerUrl: peerUrl(index) }) }),
    );
  }
  for (const node of nodes) node.start();
  const close = async () => {
    await Promise.all(nodes.map((node) => node.kill()));
    rmSync(root, { recursive: true, force: true });
  };
  const started = { name: 'etcd', nodes, transfer: transferEtcd, close };
  await leaderOf(started, 30_000);
  return started;
}

function etcdArgs(of: { dir: string; name: string; clientPort: number; members: string; peerUrl: string }): string[] {
  const client = `http://127.0.0.1:${of.clientPort}`;
  return [
    `--name=${of.name}`,
    `--data-dir=${of.dir}/data`,
    '--logger=zap',
    '--log-level=error',
    `--quota-backend-bytes=${ETCD_QUOTA_BYTES}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${of.peerUrl}`,
    `--initial-advertise-peer-urls=${of.peerUrl}`,
    `--initial-cluster=${of.members}`,
    `--peer-cert-file=${of.dir}/peer.pem`,
    `--peer-key-file=${of.dir}/peer.key`,
    `--peer-trusted-ca-file=${join(of.dir, '../ca.pem')}`,
    '--peer-client-cert-auth',
  ];
}

class EtcdNode implements BenchNode {
  readonly name: string;
  readonly clientPort: number;
  readonly #args: readonly string[];
  #process: ChildProcess | null = null;
  #gone: Promise<void> = Promise.resolve();

  constructor(parts: { name: string; clientPort: number; args: readonly string[] }) {
    this.name = parts.name;
    this.clientPort = parts.clientPort;
    this.#args = parts.args;
  }

  start(): void {
    const child = spawn(ETCD, this.#args, { stdio: 'ignore' });
    this.#process = child;
    this.#gone = new Promise((resolve) => child.once('close', () => resolve()));
  }

  pid(): Promise<number> {
    return Promise.resolve(this.#process?.pid ?? 0);
  }

  async kill(): Promise<void> {
    this.#process?.kill('SIGKILL');
    await this.#gone;
  }
}

async function transferEtcd(from: BenchNode, to: BenchNode): Promise<void> {
  const targetID = (await statusOf(to)).header?.memberId ?? 0n;
  const request = MoveLeaderRequest.encode(MoveLeaderRequest.fromPartial({ targetID })).finish();
  await ask(from, '/etcdserverpb.Maintenance/MoveLeader', request);
}

function refuseMemory(path: string): void {
  if (statfsSync(path).type === TMPFS_MAGIC)
    throw new Error(`${path} is in memory, where syncing costs nothing. Set TMPDIR to a folder on a disk.`);
}

/** What the node itself says. */
export async function statusOf(node: BenchNode): Promise<StatusResponse> {
  const request = StatusRequest.encode(StatusRequest.fromPartial({})).finish();
  return StatusResponse.decode(await ask(node, '/etcdserverpb.Maintenance/Status', request));
}

/** The revision of the cluster, read linearizably through this node. */
export async function revisionAt(node: BenchNode): Promise<number> {
  const request = RangeRequest.encode(
    RangeRequest.fromPartial({ key: Buffer.from('bench'), countOnly: true }),
  ).finish();
  return Number(RangeResponse.decode(await ask(node, RANGE, request)).header?.revision ?? 0n);
}

/** The node that says that it leads, once all of `among` agree. */
export function leaderOf(cluster: BenchCluster, deadlineMs = 15_000, among = cluster.nodes): Promise<BenchNode> {
  return until(
    `a leader of ${cluster.name}`,
    async () => {
      const statuses = await Promise.all(among.map((node) => statusOf(node)));
      const leader = statuses[0]?.leader;
      const at = statuses.findIndex((status) => status.header?.memberId === leader);
      return statuses.every((status) => status.leader === leader) && among[at];
    },
    deadlineMs,
  );
}

async function ask(node: BenchNode, path: string, request: Uint8Array): Promise<Buffer> {
  const connection = await connectGrpc(node.clientPort);
  const guard = setTimeout(() => connection.close(), 5000);
  try {
    return await connection.ask(path, request);
  } finally {
    clearTimeout(guard);
    connection.close();
  }
}
