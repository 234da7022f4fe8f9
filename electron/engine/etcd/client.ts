/**
 * A small etcd client for the engine. Nothing is retried: whether a change may be sent again is the caller's decision, and
 * the error's `kind` says what is known. Every call rejects with EtcdCallError.
 */
import type { KeyValue } from '../../../cluster-node/contract/etcd/kv.ts';
import * as pb from '../../../cluster-node/contract/etcd/rpc.ts';
import { type EtcdEndpoint, type EtcdTimeouts, GrpcChannel } from './grpc-channel.ts';

const DEFAULT_TIMEOUTS: EtcdTimeouts = { callMs: 5000, connectMs: 2000 };

interface Codec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

interface Method<Request, Response> {
  readonly path: string;
  readonly request: Codec<Request>;
  readonly response: Codec<Response>;
}

const methods = {
  put: { path: '/etcdserverpb.KV/Put', request: pb.PutRequest, response: pb.PutResponse },
  range: { path: '/etcdserverpb.KV/Range', request: pb.RangeRequest, response: pb.RangeResponse },
  deleteRange: {
    path: '/etcdserverpb.KV/DeleteRange',
    request: pb.DeleteRangeRequest,
    response: pb.DeleteRangeResponse,
  },
  txn: { path: '/etcdserverpb.KV/Txn', request: pb.TxnRequest, response: pb.TxnResponse },
  status: { path: '/etcdserverpb.Maintenance/Status', request: pb.StatusRequest, response: pb.StatusResponse },
  snapshot: { path: '/etcdserverpb.Maintenance/Snapshot', request: pb.SnapshotRequest, response: pb.SnapshotResponse },
  memberList: {
    path: '/etcdserverpb.Cluster/MemberList',
    request: pb.MemberListRequest,
    response: pb.MemberListResponse,
  },
} as const;

export class EtcdClient {
  readonly #channel: GrpcChannel;

  constructor(endpoint: EtcdEndpoint, timeouts: EtcdTimeouts = DEFAULT_TIMEOUTS) {
    this.#channel = new GrpcChannel(endpoint, timeouts);
  }

  put(key: string | Uint8Array, value: string | Uint8Array): Promise<pb.PutResponse> {
    return this.#call(methods.put, { ...emptyPut, key: bytesOf(key), value: bytesOf(value) });
  }

  range(request: Partial<pb.RangeRequest> & { key: Uint8Array }): Promise<pb.RangeResponse> {
    return this.#call(methods.range, { ...emptyRange, ...request });
  }

  /** The pair of one key, or null. Linearizable unless `serializable`. */
  async get(key: string | Uint8Array, options: { serializable?: boolean } = {}): Promise<KeyValue | null> {
    const request = { key: bytesOf(key), serializable: options.serializable ?? false };
    return (await this.range(request)).kvs[0] ?? null;
  }

  /** All pairs under a prefix, by key, in pages of one and the same revision. */
  async *listPrefix(
    prefix: string | Uint8Array,
    options: { serializable?: boolean; pageSize?: number } = {},
  ): AsyncGenerator<KeyValue> {
    const { serializable = false, pageSize = 500 } = options;
    const start = bytesOf(prefix);
    const rangeEnd = prefixEnd(start);
    let key = start.length === 0 ? Uint8Array.of(0) : start;
    let revision = 0n;
    for (let more = true; more; ) {
      const page = await this.range({ key, rangeEnd, revision, serializable, limit: BigInt(pageSize) });
      yield* page.kvs;
      if (revision === 0n) revision = page.header?.revision ?? 0n;
      const last = page.kvs.at(-1);
      more = page.more && last !== undefined;
      if (last) key = Buffer.concat([last.key, Uint8Array.of(0)]);
    }
  }

  deleteRange(request: Partial<pb.DeleteRangeRequest> & { key: Uint8Array }): Promise<pb.DeleteRangeResponse> {
    return this.#call(methods.deleteRange, { rangeEnd: new Uint8Array(0), prevKv: false, ...request });
  }

  txn(request: pb.TxnRequest): Promise<pb.TxnResponse> {
    return this.#call(methods.txn, request);
  }

  status(): Promise<pb.StatusResponse> {
    return this.#call(methods.status, {});
  }

  memberList(options: { linearizable?: boolean } = {}): Promise<pb.MemberListResponse> {
    return this.#call(methods.memberList, { linearizable: options.linearizable ?? false });
  }

  /** Everything that was acknowledged before, in pieces as they are asked for; see the node's snapshot service. */
  async *snapshot(): AsyncGenerator<pb.SnapshotResponse, void, void> {
    const { path, request, response } = methods.snapshot;
    for await (const bytes of this.#channel.stream(path, request.encode({}).finish())) yield response.decode(bytes);
  }

  /** Ends the connection; calls under way reject. */
  close(): void {
    this.#channel.close();
  }

  async #call<Request, Response>(method: Method<Request, Response>, request: Request): Promise<Response> {
    return method.response.decode(await this.#channel.unary(method.path, method.request.encode(request).finish()));
  }
}

const emptyPut = pb.PutRequest.create();
const emptyRange = pb.RangeRequest.create();

function bytesOf(text: string | Uint8Array): Uint8Array {
  return typeof text === 'string' ? Buffer.from(text) : text;
}

/** The end of the range of all keys with this prefix, in etcd's notation. */
function prefixEnd(prefix: Uint8Array): Uint8Array {
  const last = prefix.findLastIndex((byte) => byte < 0xff);
  if (last < 0) return Uint8Array.of(0);
  const end = Uint8Array.from(prefix.subarray(0, last + 1));
  end[last] = (end[last] ?? 0) + 1;
  return end;
}
