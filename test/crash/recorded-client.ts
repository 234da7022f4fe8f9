/** Reads and writes keys through one node and writes down what came out, as the checker wants it. */
import { status as grpcStatus, type ServiceError } from '@grpc/grpc-js';
import * as pb from '../../cluster-node/contract/etcd/rpc.ts';
import type { Operation } from '../checker/history.ts';
import type { KeyState, KeyValueInput, KeyValueOutput } from '../checker/key-value.ts';
import type { KvClient } from '../fixtures/kv-client.ts';

export type KeyValueOperation = Operation<KeyValueInput, KeyValueOutput>;

/** An answered request with the revision of the store that its answer named. */
export interface RevisionSeen {
  readonly calledAt: number;
  readonly returnedAt: number;
  readonly revision: number;
  readonly isWrite: boolean;
}

interface Answer {
  readonly output: KeyValueOutput;
  readonly revision: number;
}

export class Recorder {
  readonly history: KeyValueOperation[] = [];
  readonly revisions: RevisionSeen[] = [];
  /** How often each refusal came, by its text. */
  readonly refusals = new Map<string, number>();

  /** Asks, and writes down how it came out; null when it was refused or nobody knows. */
  async ask(
    client: KvClient,
    input: KeyValueInput,
    { by, timeoutMs }: { readonly by: number; readonly timeoutMs: number },
  ): Promise<KeyValueOutput | null> {
    const calledAt = performance.now();
    try {
      const { output, revision } = await ask(client, input, timeoutMs);
      const at = performance.now();
      this.history.push({ client: by, input, calledAt, returned: { at, output } });
      const isWrite =
        output.kind === 'put' || output.kind === 'swapped' || (output.kind === 'delete' && output.deleted);
      this.revisions.push({ calledAt, returnedAt: at, revision, isWrite });
      return output;
    } catch (error) {
      const text = `${grpcStatus[(error as ServiceError).code]}: ${(error as ServiceError).details}`;
      this.refusals.set(text, (this.refusals.get(text) ?? 0) + 1);
      // What only reads did not change anything, and what the node refused it vouches for never having proposed.
      if (input.kind !== 'get' && !isCertainlyUndone(error as ServiceError))
        this.history.push({ client: by, input, calledAt, returned: null });
      return null;
    }
  }
}

const REFUSALS = /^etcdserver: (too many requests|no leader|server stopped)$/;

/** Refused before it was proposed, or never sent. */
function isCertainlyUndone({ details }: ServiceError): boolean {
  return REFUSALS.test(details) || details.startsWith('No connection established');
}

async function ask(client: KvClient, input: KeyValueInput, timeoutMs: number): Promise<Answer> {
  const key = Buffer.from(input.key);
  if (input.kind === 'get') {
    const request = pb.RangeRequest.fromPartial({ key });
    const codecs = { request: pb.RangeRequest, response: pb.RangeResponse };
    const response = await client.call('/etcdserverpb.KV/Range', codecs, request, timeoutMs);
    return { output: { kind: 'get', found: stateOf(response) }, revision: revisionOf(response) };
  }
  if (input.kind === 'put') {
    const request = pb.PutRequest.fromPartial({ key, value: Buffer.from(input.value) });
    const codecs = { request: pb.PutRequest, response: pb.PutResponse };
    const revision = revisionOf(await client.call('/etcdserverpb.KV/Put', codecs, request, timeoutMs));
    return { output: { kind: 'put', revision }, revision };
  }
  if (input.kind === 'delete') {
    const request = pb.DeleteRangeRequest.fromPartial({ key });
    const codecs = { request: pb.DeleteRangeRequest, response: pb.DeleteRangeResponse };
    const response = await client.call('/etcdserverpb.KV/DeleteRange', codecs, request, timeoutMs);
    const revision = revisionOf(response);
    return { output: { kind: 'delete', deleted: response.deleted > 0n, revision }, revision };
  }
  return swap(client, input, timeoutMs);
}

async function swap(
  client: KvClient,
  input: Extract<KeyValueInput, { kind: 'cas' }>,
  timeoutMs: number,
): Promise<Answer> {
  const key = Buffer.from(input.key);
  const request = pb.TxnRequest.fromPartial({
    compare: [
      {
        key,
        result: pb.Compare_CompareResult.EQUAL,
        target: pb.Compare_CompareTarget.MOD,
        targetUnion: { $case: 'modRevision', value: BigInt(input.expected?.modRevision ?? 0) },
      },
    ],
    success: [{ request: { $case: 'requestPut', value: { key, value: Buffer.from(input.value) } } }],
    failure: [{ request: { $case: 'requestRange', value: { key } } }],
  });
  const codecs = { request: pb.TxnRequest, response: pb.TxnResponse };
  const response = await client.call('/etcdserverpb.KV/Txn', codecs, request, timeoutMs);
  const revision = revisionOf(response);
  if (response.succeeded) return { output: { kind: 'swapped', revision }, revision };
  const inner = response.responses[0]?.response;
  if (inner?.$case !== 'responseRange') throw new Error('a refused swap was answered without what it found');
  return { output: { kind: 'notSwapped', found: stateOf(inner.value) }, revision };
}

function stateOf({ kvs: [found] }: pb.RangeResponse): KeyState | null {
  if (found === undefined) return null;
  return { value: Buffer.from(found.value).toString(), modRevision: Number(found.modRevision) };
}

function revisionOf({ header }: { readonly header: pb.ResponseHeader | undefined }): number {
  if (header === undefined) throw new Error('an answer without a header');
  return Number(header.revision);
}
