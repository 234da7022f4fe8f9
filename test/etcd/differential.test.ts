/** The same random requests to a real etcd and to our API: the answers must be the same but for ids and terms. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClientServer } from '../../cluster-node/api/client-server.ts';
import * as pb from '../../cluster-node/contract/etcd/rpc.ts';
import { EtcdCallError } from '../../electron/engine/etcd/call-error.ts';
import { GrpcChannel } from '../../electron/engine/etcd/grpc-channel.ts';
import { type AnyRequest, Random, randomRequest } from './random-requests.ts';
import { hasEtcd, type RealEtcd, startEtcd } from './real-etcd.ts';
import { SingleMachinePort } from './single-machine-port.ts';

const STEPS = 3000;
const seed = Number(process.env['SEED'] ?? 20_240_501);
const closing: (() => unknown)[] = [];
let real: RealEtcd;
let oursAt: string;

beforeAll(async () => {
  if (!hasEtcd) return;
  real = await startEtcd();
  const server = createClientServer(new SingleMachinePort(), null);
  oursAt = `http://127.0.0.1:${await server.listen({ host: '127.0.0.1', port: 0 })}`;
  closing.push(
    () => real.stop(),
    () => server.close(10),
  );
}, 30_000);
afterAll(async () => {
  for (const close of closing) await close();
});

test.skipIf(!hasEtcd)(
  'every answer equals the one of a real etcd (skipped: no etcd where it is not installed)',
  async () => {
    const [theirs, ours] = [real.endpoint, oursAt].map(
      (endpoint) => new GrpcChannel({ endpoint, tls: null }, { callMs: 5000, connectMs: 2000 }),
    ) as [GrpcChannel, GrpcChannel];
    const random = new Random(seed);
    let revision = 1;
    for (let step = 0; step < STEPS; step++) {
      const request = randomRequest(random, revision);
      const [expected, actual] = await Promise.all([ask(theirs, request), ask(ours, request)]);
      expect(actual, `seed ${seed}, step ${step}: ${print(request)}`).toEqual(expected);
      if (typeof expected === 'object') revision = Number(expected.header?.revision ?? revision);
    }
    expect(revision).toBeGreaterThan(STEPS / 5);
    theirs.close();
    ours.close();
  },
  60_000,
);

type Answer = { header: pb.ResponseHeader | undefined } | string;

/** The answer without what belongs to the member that gave it; an error as code and text. */
async function ask(channel: GrpcChannel, request: AnyRequest): Promise<Answer> {
  try {
    const answer = await exchange(channel, request);
    if (answer.header) answer.header = { ...answer.header, clusterId: 0n, memberId: 0n, raftTerm: 0n };
    return answer;
  } catch (error) {
    if (!(error instanceof EtcdCallError)) throw error;
    return `${error.code} ${error.message.slice(error.message.indexOf(' ') + 1)}`;
  }
}

async function exchange(channel: GrpcChannel, { kind, request }: AnyRequest): Promise<Exclude<Answer, string>> {
  switch (kind) {
    case 'put':
      return pb.PutResponse.decode(await channel.unary('/etcdserverpb.KV/Put', pb.PutRequest.encode(request).finish()));
    case 'deleteRange': {
      const bytes = pb.DeleteRangeRequest.encode(request).finish();
      return pb.DeleteRangeResponse.decode(await channel.unary('/etcdserverpb.KV/DeleteRange', bytes));
    }
    case 'txn':
      return pb.TxnResponse.decode(await channel.unary('/etcdserverpb.KV/Txn', pb.TxnRequest.encode(request).finish()));
    case 'compact': {
      const bytes = pb.CompactionRequest.encode(request).finish();
      return pb.CompactionResponse.decode(await channel.unary('/etcdserverpb.KV/Compact', bytes));
    }
    default: {
      const bytes = pb.RangeRequest.encode(request).finish();
      return pb.RangeResponse.decode(await channel.unary('/etcdserverpb.KV/Range', bytes));
    }
  }
}

function print(request: AnyRequest): string {
  return JSON.stringify(request, (_, value: unknown) => {
    if (typeof value === 'bigint') return String(value);
    return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value;
  });
}
