/**
 * etcdserverpb.KV. Changes are replicated and answered once applied here. Reads wait until this node has applied all that
 * was acknowledged before them, unless the caller settles for this node's own state (`serializable`).
 */
import * as pb from '../contract/etcd/rpc.ts';
import { checkOperation, checkRange, MAX_REQUEST_BYTES } from '../machine/check.ts';
import type { Operation } from '../machine/command.ts';
import { etcdErrors } from '../machine/errors.ts';
import type { OperationResult } from '../machine/machine.ts';
import type { Admit } from '../machine/range.ts';
import { isReadOnly, isSerializable, responseBytes } from '../machine/transaction.ts';
import { explain, fail, Headers, unary } from './calls.ts';
import type { Call, UnaryMethod } from './grpc-server.ts';
import type { NodePort } from './port.ts';

type ChangeCall = Call & { readonly requestBytes: number };
type ResponseOf<K> = Extract<OperationResult, { kind: K; response: unknown }>['response'];

export function kvMethods(port: NodePort): [string, UnaryMethod][] {
  const headers = new Headers(port);

  function change<T extends { header: pb.ResponseHeader | undefined }>(
    operation: Operation,
    call: ChangeCall,
    responseIn: (result: OperationResult) => T,
  ): Promise<T> {
    if (call.requestBytes > MAX_REQUEST_BYTES) fail(etcdErrors.requestTooLarge);
    const error = checkOperation(operation);
    if (error) fail(error);
    const startedMs = performance.now();
    return port.propose(operation, call.timeoutMs).then((result) => {
      port.observe('write', performance.now() - startedMs);
      const response = responseIn(result);
      // It has happened, so it must not look refused.
      if (!call.keepAnswer(result.kind === 'error' ? 0 : responseBytes(result.response))) fail(etcdErrors.timeout);
      return headers.complete(response);
    }, explain);
  }

  function read<T>(options: { serializable: boolean; timeoutMs: number }, answer: () => T): T | Promise<T> {
    const startedMs = performance.now();
    const answerNow = (): T => {
      const result = answer();
      port.observe('read', performance.now() - startedMs);
      return result;
    };
    return options.serializable ? answerNow() : port.readBarrier(options.timeoutMs).then(answerNow, explain);
  }

  const range = (request: pb.RangeRequest, call: Call) => {
    const error = checkRange(request);
    if (error) fail(error);
    return read({ serializable: request.serializable, timeoutMs: call.timeoutMs }, () => {
      const result = port.machine.range(request, admitting(call));
      return result.kind === 'error' ? fail(result.error) : headers.complete(result.response);
    });
  };

  const txn = (request: pb.TxnRequest, call: ChangeCall) => {
    if (!isReadOnly(request)) return change({ kind: 'txn', request }, call, responseOf('txn'));
    const options = { serializable: isSerializable(request), timeoutMs: call.timeoutMs };
    return read(options, () =>
      headers.complete(responseOf('txn')(port.machine.readTransaction(request, admitting(call)))),
    );
  };

  return [
    ['/etcdserverpb.KV/Range', unary({ request: pb.RangeRequest, response: pb.RangeResponse }, range)],
    [
      '/etcdserverpb.KV/Put',
      unary({ request: pb.PutRequest, response: pb.PutResponse }, (request, call) =>
        change({ kind: 'put', request }, call, responseOf('put')),
      ),
    ],
    [
      '/etcdserverpb.KV/DeleteRange',
      unary({ request: pb.DeleteRangeRequest, response: pb.DeleteRangeResponse }, (request, call) =>
        change({ kind: 'deleteRange', request }, call, responseOf('deleteRange')),
      ),
    ],
    ['/etcdserverpb.KV/Txn', unary({ request: pb.TxnRequest, response: pb.TxnResponse }, txn)],
    [
      '/etcdserverpb.KV/Compact',
      unary({ request: pb.CompactionRequest, response: pb.CompactionResponse }, (request, call) =>
        change({ kind: 'compact', request }, call, responseOf('compact')),
      ),
    ],
  ];
}

/** Asked before the pairs of an answer are made: thousands of large answers that nobody takes must not even come to be. */
function admitting(call: Call): Admit {
  return (bytes) => (call.keepAnswer(bytes) ? null : etcdErrors.tooManyRequests);
}

function responseOf<K extends Operation['kind']>(kind: K): (result: OperationResult) => ResponseOf<K> {
  return (result) => {
    if (result.kind === 'error') fail(result.error);
    if (result.kind !== kind) throw new Error(`a ${kind} was answered with the result of a ${result.kind}`);
    return result.response as ResponseOf<K>;
  };
}
