/** The cluster of the demo as its clients see it: one client an endpoint, and what each endpoint claims. */
import { readFileSync } from 'node:fs';
import { EtcdClient } from '../../engine/etcd/client.ts';
import type { EngineClient } from '../../serve/engine-socket.ts';
import { pause } from './writer.ts';

const TIMEOUTS = { callMs: 2000, connectMs: 1000 };
const POLL_MS = 10;

export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface DemoNode {
  readonly nodeId: string;
  readonly name: string;
  readonly hostId: string;
  readonly memberSlot: number;
  /** "host:port" of its client API. */
  readonly endpoint: string;
  /** For the writer. */
  readonly client: EtcdClient;
  /** For questions about its state: a connection of its own, so that they do not queue behind writes. */
  readonly probe: EtcdClient;
}

export interface Claim {
  readonly leads: boolean;
  readonly ballot: bigint;
  readonly decidedUpTo: bigint;
  readonly appliedUpTo: bigint;
}

export class DemoCluster {
  readonly clusterId: string;
  readonly nodes: readonly DemoNode[];
  readonly tls: TlsFiles | null;

  private constructor(clusterId: string, nodes: readonly DemoNode[], tls: TlsFiles | null) {
    this.clusterId = clusterId;
    this.nodes = nodes;
    this.tls = tls;
  }

  static async connect(client: EngineClient): Promise<DemoCluster> {
    const fleet = await client.fleet.get();
    const cluster = fleet.clusters[0];
    if (cluster === undefined) throw new Error('the demo has no cluster');
    const { tls } = await client.clusters.access({ clusterId: cluster.clusterId });
    const credentials = tls === null ? null : { ca: readPem(tls.ca), cert: readPem(tls.cert), key: readPem(tls.key) };
    const scheme = tls === null ? 'http' : 'https';
    const nodes = cluster.nodes.map((node) => {
      const endpoint = `${node.address}:${node.clientPort}`;
      const connect = () => new EtcdClient({ endpoint: `${scheme}://${endpoint}`, tls: credentials }, TIMEOUTS);
      return {
        nodeId: node.nodeId,
        name: node.name,
        hostId: node.hostId,
        memberSlot: node.memberSlot,
        endpoint,
        client: connect(),
        probe: connect(),
      };
    });
    return new DemoCluster(cluster.clusterId, nodes, tls);
  }

  close(): void {
    for (const node of this.nodes) {
      node.client.close();
      node.probe.close();
    }
  }

  /** What this node says of itself; null when it does not answer. */
  async claim(node: DemoNode): Promise<Claim | null> {
    try {
      const status = await node.probe.status();
      return {
        leads: status.leader !== 0n && status.leader === status.header?.memberId,
        ballot: status.raftTerm,
        decidedUpTo: status.raftIndex,
        appliedUpTo: status.raftAppliedIndex,
      };
    } catch {
      return null;
    }
  }

  /** The node among `nodes` that says it leads under the highest ballot above `aboveBallot`. Rejects after `timeoutMs`. */
  async leaderAmong(
    nodes: readonly DemoNode[],
    aboveBallot: bigint,
    timeoutMs: number,
  ): Promise<{ node: DemoNode; ballot: bigint }> {
    return until(`no new leader was seen within ${timeoutMs} ms`, timeoutMs, async () => {
      const claims = await Promise.all(nodes.map(async (node) => ({ node, claim: await this.claim(node) })));
      let best: { node: DemoNode; ballot: bigint } | null = null;
      for (const { node, claim } of claims) {
        if (claim === null || !claim.leads || claim.ballot <= aboveBallot) continue;
        if (best === null || claim.ballot > best.ballot) best = { node, ballot: claim.ballot };
      }
      return best;
    });
  }

  /** Resolves when `node` has applied everything that any other node had decided just before it was asked. */
  async level(node: DemoNode, timeoutMs: number): Promise<void> {
    await until(`${node.name} did not catch up within ${timeoutMs} ms`, timeoutMs, async () => {
      const others = await Promise.all(this.nodes.filter((other) => other !== node).map((other) => this.claim(other)));
      const head = others.reduce(
        (highest, claim) => (claim !== null && claim.decidedUpTo > highest ? claim.decidedUpTo : highest),
        0n,
      );
      const own = await this.claim(node);
      return own !== null && head > 0n && own.appliedUpTo >= head ? true : null;
    });
  }

  /** Everything below a prefix as this one node has it, by serializable reads in pages. */
  async readAll(node: DemoNode, prefix: string): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    const text = new TextDecoder();
    for await (const { key, value } of node.probe.listPrefix(prefix, { serializable: true }))
      found.set(text.decode(key), text.decode(value));
    return found;
  }
}

/** Polls until `attempt` gives something; rejects with `failure` after `timeoutMs`. */
export async function until<T>(failure: string, timeoutMs: number, attempt: () => Promise<T | null>): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const result = await attempt();
    if (result !== null) return result;
    if (performance.now() > deadline) throw new Error(failure);
    await pause(POLL_MS);
  }
}

function readPem(path: string): string {
  return readFileSync(path, 'utf8');
}
