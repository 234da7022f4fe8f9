import { expect, it } from 'vitest';
import { RangeRequest, type RequestOp, type TxnRequest } from '../contract/etcd/rpc.ts';
import { isReadOnly, isSerializable } from './transaction.ts';

const range = (serializable: boolean): RequestOp => ({
  request: { $case: 'requestRange', value: { ...RangeRequest.decode(new Uint8Array(0)), serializable } },
});
const txn = (success: RequestOp[], failure: RequestOp[] = []): TxnRequest => ({ compare: [], success, failure });

it.each([
  ['only compares', txn([]), false],
  ['one serializable range', txn([range(true)]), true],
  ['one linearizable range', txn([range(false)]), false],
  ['a linearizable range in the other branch', txn([range(true)], [range(false)]), false],
])('a transaction with %s may be answered from old state: %s', (_name, request, expected) => {
  expect(isReadOnly(request)).toBe(true);
  expect(isSerializable(request)).toBe(expected);
});
