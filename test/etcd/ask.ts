/** One random request to one endpoint, with an answer that can be compared. */
import * as pb from '../../cluster-node/contract/etcd/rpc.ts';
import { EtcdCallError } from '../../electron/engine/etcd/call-error.ts';
import type { GrpcChannel } from '../../electron/engine/etcd/grpc-channel.ts';
import type { AnyRequest } from './random-requests.ts';

export type Answer = { header: pb.ResponseHeader | undefined } | string;

/** The answer without what belongs to the member that gave it; an error as code and text. */
export async function ask(channel: GrpcChannel, request: AnyRequest): Promise<Answer> {
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

export function print(request: AnyRequest): string {
  return JSON.stringify(request, (_, value: unknown) => {
    if (typeof value === 'bigint') return String(value);
    return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value;
  });
}
