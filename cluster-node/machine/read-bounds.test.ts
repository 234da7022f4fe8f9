/** What one change may read: the pairs before its puts and deletions count as those of its ranges do (machine.test.ts). */
import { expect, test } from 'vitest';
import * as pb from '../contract/etcd/rpc.ts';
import { encodeCommand, type Operation } from './command.ts';
import { etcdErrors } from './errors.ts';
import { KeyValueMachine, type OperationResult } from './machine.ts';

const MIB = 1024 * 1024;
const refused = { kind: 'error', error: etcdErrors.requestTooLarge };

function run(machine: KeyValueMachine, operation: Operation): OperationResult | undefined {
  const slot = machine.appliedUpTo + 1;
  const request = { origin: 1, boot: 5, sequence: slot };
  return machine.apply(slot, encodeCommand({ request, acknowledgedBelow: slot }, operation))?.result;
}

const putOf = (number: number, more: Partial<pb.PutRequest>) =>
  pb.PutRequest.create({ key: Buffer.from(`k${number}`), ...more });

/** So many keys of 1 MiB each. */
function filled(keys: number): KeyValueMachine {
  const machine = new KeyValueMachine();
  const value = Buffer.alloc(MIB);
  for (let number = 0; number < keys; number++) run(machine, { kind: 'put', request: putOf(number, { value }) });
  return machine;
}

test.each([
  [65, true, refused],
  [63, true, { response: { deleted: 63n } }],
  [65, false, { response: { deleted: 65n } }],
])('a deletion of %s MiB that asks for the pairs: %s', (keys, prevKv, expected) => {
  const machine = filled(keys);
  const { revision } = machine;
  const request = pb.DeleteRangeRequest.create({ key: Buffer.from('k'), rangeEnd: Buffer.from('l'), prevKv });
  expect(run(machine, { kind: 'deleteRange', request })).toMatchObject(expected);
  expect(machine.revision).toBe(expected === refused ? revision : revision + 1);
});

test('the pairs before the puts of a transaction count where they are asked for, nested ones too', () => {
  const machine = filled(65);
  const { revision } = machine;
  const puts = (prevKv: boolean) =>
    Array.from(
      { length: 65 },
      (_, number): pb.RequestOp => ({
        request: { $case: 'requestPut', value: putOf(number, { prevKv }) },
      }),
    );
  const txn = (success: pb.RequestOp[]) => pb.TxnRequest.create({ success });
  const nested: pb.RequestOp = { request: { $case: 'requestTxn', value: txn(puts(true)) } };
  expect(run(machine, { kind: 'txn', request: txn(puts(true)) })).toEqual(refused);
  expect(run(machine, { kind: 'txn', request: txn([nested]) })).toEqual(refused);
  expect(machine.revision).toBe(revision);
  expect(run(machine, { kind: 'txn', request: txn(puts(false)) })).toMatchObject({ response: { succeeded: true } });
});
