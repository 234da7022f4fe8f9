/** The same random requests to a real etcd and to us: the answers must be the same but for ids and terms. */
import { afterEach, expect, test } from 'vitest';
import { createClientServer } from '../../cluster-node/api/client-server.ts';
import { type EtcdEndpoint, GrpcChannel } from '../../electron/engine/etcd/grpc-channel.ts';
import { issue, operatorLeaf } from '../../electron/engine/provision/certificates.ts';
import { createTestCluster } from '../fixtures/test-cluster.ts';
import { ask, print } from './ask.ts';
import { linearizable, Random, randomRequest } from './random-requests.ts';
import { hasEtcd, startEtcd } from './real-etcd.ts';
import { SingleMachinePort } from './single-machine-port.ts';

const seed = Number(process.env['SEED'] ?? 20_240_501);
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function connect(endpoint: EtcdEndpoint): GrpcChannel {
  const channel = new GrpcChannel(endpoint, { callMs: 5000, connectMs: 2000 });
  closing.push(() => channel.close());
  return channel;
}

/** Each request goes to etcd and to one of our nodes, drawn anew. */
async function expectEqualAnswers(ours: readonly GrpcChannel[], steps: number): Promise<void> {
  const real = await startEtcd();
  closing.push(() => real.stop());
  const theirs = connect({ endpoint: real.endpoint, tls: null });
  const random = new Random(seed);
  let revision = 1;
  for (let step = 0; step < steps; step++) {
    const drawn = randomRequest(random, revision);
    // Another node's own state may be older: only a lone node's serializable reads can be compared.
    const request = ours.length > 1 ? linearizable(drawn) : drawn;
    const [expected, actual] = await Promise.all([ask(theirs, request), ask(random.pick(ours), request)]);
    expect(actual, `seed ${seed}, step ${step}: ${print(request)}`).toEqual(expected);
    if (typeof expected === 'object') revision = Number(expected.header?.revision ?? revision);
  }
  expect(revision).toBeGreaterThan(steps / 5);
}

test.skipIf(!hasEtcd)(
  'a machine behind the API (skipped: no etcd where it is not installed)',
  async () => {
    const server = createClientServer(new SingleMachinePort(), null);
    closing.push(() => server.close(10));
    const endpoint = `http://127.0.0.1:${await server.listen({ host: '127.0.0.1', port: 0 })}`;
    await expectEqualAnswers([connect({ endpoint, tls: null })], 3000);
  },
  60_000,
);

test.skipIf(!hasEtcd)(
  'a cluster of three (skipped: no etcd where it is not installed)',
  async () => {
    const cluster = await createTestCluster(3);
    closing.push(() => cluster.close());
    cluster.start();
    await cluster.leader();
    const operator = await issue(cluster.authority, operatorLeaf(), Date.now());
    const tls = { ca: cluster.authority.certificate, cert: operator.certificate, key: operator.key };
    const nodes = cluster.nodes.map(({ member }) =>
      connect({ endpoint: `https://${member.address}:${member.clientPort}`, tls }),
    );
    await expectEqualAnswers(nodes, 600);
  },
  60_000,
);
