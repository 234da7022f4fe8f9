/**
 * The main job without a person: write all the time; fail over, kill the leader, cut the leader off and heal; then read
 * every acknowledged write back from every node. All figures are measured here, none assumed.
 */
import { act } from '../act.ts';
import { note } from '../context.ts';
import type { EngineClient } from '../../serve/engine-socket.ts';
import { DemoCluster, type DemoNode, until } from './endpoints.ts';
import { KEY_PREFIX, Writer } from './writer.ts';

const PATIENCE_MS = 30_000;
const PARTITION_TTL_MS = 60_000;
/** Acknowledged writes that show that the cluster serves again after something was done to it. */
const STEADY_WRITES = 200;

export interface ExerciseResult {
  readonly writesAcknowledged: number;
  readonly writesLost: number;
  readonly failover: { readonly from: string; readonly to: string; readonly unavailableMs: number };
  readonly kill: { readonly node: string; readonly unavailableMs: number; readonly caughtUpMs: number };
  readonly partition: {
    readonly isolated: string;
    readonly newLeader: string;
    readonly unavailableMs: number;
    readonly healedMs: number;
  };
}

export async function exercise(client: EngineClient): Promise<ExerciseResult> {
  const cluster = await DemoCluster.connect(client);
  const writer = new Writer(cluster.nodes.map((node) => node.client));
  try {
    writer.start(2 * cluster.nodes.length);
    await writer.progress(STEADY_WRITES, PATIENCE_MS);
    const failover = await exerciseFailover(client, cluster, writer);
    const kill = await exerciseKill(client, cluster, writer);
    const partition = await exercisePartition(client, cluster, writer);
    await writer.stop();
    const writesLost = await countLost(cluster, writer.acknowledged);
    note(
      `${writer.acknowledged.size} writes acknowledged, ${writer.unknownOutcomes} without an answer, ${writesLost} lost.`,
    );
    return { writesAcknowledged: writer.acknowledged.size, writesLost, failover, kill, partition };
  } finally {
    await writer.stop();
    cluster.close();
  }
}

async function exerciseFailover(client: EngineClient, cluster: DemoCluster, writer: Writer) {
  const from = await cluster.leaderAmong(cluster.nodes, 0n, PATIENCE_MS);
  const target = other(cluster, from.node);
  note(`Moving leadership from ${from.node.name} to ${target.name}.`);
  const startedAtMs = performance.now();
  await act(client, { kind: 'failover', clusterId: cluster.clusterId, target: target.nodeId });
  const to = await cluster.leaderAmong(cluster.nodes, from.ballot, PATIENCE_MS);
  await writer.progress(STEADY_WRITES, PATIENCE_MS);
  const unavailableMs = writer.longestGapMs(startedAtMs);
  if (to.node !== target) throw new Error(`${to.node.name} leads after the failover, not ${target.name}`);
  return { from: from.node.name, to: to.node.name, unavailableMs };
}

async function exerciseKill(client: EngineClient, cluster: DemoCluster, writer: Writer) {
  const leader = await cluster.leaderAmong(cluster.nodes, 0n, PATIENCE_MS);
  note(`Killing ${leader.node.name}, which leads.`);
  const startedAtMs = performance.now();
  const survivors = cluster.nodes.filter((node) => node !== leader.node);
  const killed = act(client, { kind: 'nodeKill', clusterId: cluster.clusterId, nodeId: leader.node.nodeId });
  if (survivors.length > 1) await cluster.leaderAmong(survivors, leader.ballot, PATIENCE_MS);
  await writer.progress(STEADY_WRITES, PATIENCE_MS);
  const unavailableMs = writer.longestGapMs(startedAtMs);
  await cluster.level(leader.node, PATIENCE_MS);
  const caughtUpMs = Math.ceil(performance.now() - startedAtMs);
  await killed;
  return { node: leader.node.name, unavailableMs, caughtUpMs };
}

async function exercisePartition(client: EngineClient, cluster: DemoCluster, writer: Writer) {
  const leader = await cluster.leaderAmong(cluster.nodes, 0n, PATIENCE_MS);
  const others = cluster.nodes.filter((node) => node !== leader.node);
  note(`Cutting ${leader.node.name}, which leads, off from the others.`);
  const slot = leader.node.memberSlot;
  const links = others.flatMap((node) => [
    { from: slot, to: node.memberSlot },
    { from: node.memberSlot, to: slot },
  ]);
  const startedAtMs = performance.now();
  await act(client, { kind: 'partition', clusterId: cluster.clusterId, links, ttlMs: PARTITION_TTL_MS });
  const successor = await cluster.leaderAmong(others, leader.ballot, PATIENCE_MS);
  await writer.progress(STEADY_WRITES, PATIENCE_MS);
  const unavailableMs = writer.longestGapMs(startedAtMs);
  note(`${successor.node.name} leads now. Healing.`);
  const healStartedAtMs = performance.now();
  await act(client, { kind: 'healAll', clusterId: cluster.clusterId });
  await Promise.all(cluster.nodes.map((node) => cluster.level(node, PATIENCE_MS)));
  const healedMs = Math.ceil(performance.now() - healStartedAtMs);
  await assertNoFaults(client, cluster.clusterId);
  return { isolated: leader.node.name, newLeader: successor.node.name, unavailableMs, healedMs };
}

function other(cluster: DemoCluster, node: DemoNode): DemoNode {
  const index = cluster.nodes.indexOf(node);
  return cluster.nodes[(index + 1) % cluster.nodes.length] as DemoNode;
}

async function assertNoFaults(client: EngineClient, clusterId: string): Promise<void> {
  await until('a fault is still active after healing', PATIENCE_MS, async () => {
    const view = (await client.fleet.get()).clusters.find((found) => found.clusterId === clusterId);
    return view?.faults.every((fault) => fault.state === 'healed' || fault.state === 'expired') ? true : null;
  });
}

/** Acknowledged writes that at least one node does not have, or has with another value. */
async function countLost(cluster: DemoCluster, acknowledged: ReadonlyMap<string, string>): Promise<number> {
  await Promise.all(cluster.nodes.map((node) => cluster.level(node, PATIENCE_MS)));
  const lost = new Set<string>();
  for (const node of cluster.nodes) {
    const found = await cluster.readAll(node, KEY_PREFIX);
    for (const [key, value] of acknowledged) if (found.get(key) !== value) lost.add(key);
  }
  return lost.size;
}
