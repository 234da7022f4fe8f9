/** The semantics that re-implementations of etcd get wrong, one test each. test/etcd compares with a real etcd at random. */
import { describe, expect, test } from 'vitest';
import * as pb from '../contract/etcd/rpc.ts';
import { CommandFormatError, decodeCommand, encodeCommand, type Operation } from './command.ts';
import { etcdErrors } from './errors.ts';
import { KeyValueMachine, type OperationResult } from './machine.ts';

const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));
const text = (data: Uint8Array) => Buffer.from(data).toString('latin1');
const putOf = (key: string, value = 'v', more: Partial<pb.PutRequest> = {}) =>
  pb.PutRequest.create({ key: bytes(key), value: bytes(value), ...more });
const rangeOf = (key: string, more: Partial<pb.RangeRequest> = {}) => ({
  ...pb.RangeRequest.create(),
  key: bytes(key),
  ...more,
});
const end = (rangeEnd: string) => ({ rangeEnd: bytes(rangeEnd) });
const op = {
  put: (key: string, value = 'v'): pb.RequestOp => ({ request: { $case: 'requestPut', value: putOf(key, value) } }),
  range: (key: string, more: Partial<pb.RangeRequest> = {}): pb.RequestOp => ({
    request: { $case: 'requestRange', value: rangeOf(key, more) },
  }),
  delete: (key: string, rangeEnd = ''): pb.RequestOp => ({
    request: { $case: 'requestDeleteRange', value: { key: bytes(key), rangeEnd: bytes(rangeEnd), prevKv: false } },
  }),
  txn: (value: Partial<pb.TxnRequest>): pb.RequestOp => ({ request: { $case: 'requestTxn', value: txnOf(value) } }),
};
function txnOf(request: Partial<pb.TxnRequest>): pb.TxnRequest {
  return { compare: [], success: [], failure: [], ...request };
}
function compareOf(key: string, more: Partial<pb.Compare>): pb.Compare {
  return { ...pb.Compare.create(), key: bytes(key), ...more };
}

/** A machine that is its own log. */
class Subject {
  readonly machine = new KeyValueMachine();

  run(operation: Operation): OperationResult {
    const slot = this.machine.appliedUpTo + 1;
    const request = { origin: 1, boot: 5, sequence: slot };
    const applied = this.machine.apply(slot, encodeCommand({ request, acknowledgedBelow: slot }, operation));
    if (!applied) throw new Error('not applied');
    return applied.result;
  }
  put(key: string, value?: string, more?: Partial<pb.PutRequest>) {
    const result = this.run({ kind: 'put', request: putOf(key, value, more) });
    return result.kind === 'put' ? result.response : result;
  }
  delete(key: string, rangeEnd = '') {
    return this.run({ kind: 'deleteRange', request: { key: bytes(key), rangeEnd: bytes(rangeEnd), prevKv: true } });
  }
  txn(request: Partial<pb.TxnRequest>) {
    const result = this.run({ kind: 'txn', request: txnOf(request) });
    return result.kind === 'txn' ? result.response : result;
  }
  succeeds(compare: pb.Compare): boolean {
    const response = this.txn({ compare: [compare] });
    return 'succeeded' in response && response.succeeded;
  }
  range(key: string, more: Partial<pb.RangeRequest> = {}): pb.RangeResponse {
    const result = this.machine.range(rangeOf(key, more));
    if (result.kind === 'error') throw new Error(result.error.message);
    return result.response;
  }
  keys(key: string, more: Partial<pb.RangeRequest> = {}): string[] {
    return this.range(key, more).kvs.map((pair) => text(pair.key));
  }
}

function filled(...keys: string[]): Subject {
  const subject = new Subject();
  for (const key of keys) subject.put(key, `value of ${key}`);
  return subject;
}

describe('revisions', () => {
  test('the first write gets revision 2', () => {
    const subject = new Subject();
    expect(subject.machine.revision).toBe(1);
    expect(subject.put('a')).toMatchObject({ header: { revision: 2n } });
    expect(subject.range('a').kvs[0]).toMatchObject({ createRevision: 2n, modRevision: 2n, version: 1n });
  });

  test('a transaction has one revision, however many keys it changes', () => {
    const subject = new Subject();
    subject.txn({ success: [op.put('a'), op.put('b'), op.put('c')] });
    expect(subject.machine.revision).toBe(2);
    expect(subject.range('\0', end('\0')).kvs.map((pair) => pair.modRevision)).toEqual([2n, 2n, 2n]);
  });

  test('an empty deletion and a transaction without changes do not raise it', () => {
    const subject = filled('a');
    subject.delete('nothing');
    subject.txn({ success: [op.range('a'), op.delete('nothing')] });
    expect(subject.machine.revision).toBe(2);
  });

  test('a deletion ends the version count and the creation revision', () => {
    const subject = filled('a', 'a');
    subject.delete('a');
    subject.put('a');
    expect(subject.range('a').kvs[0]).toMatchObject({ createRevision: 5n, modRevision: 5n, version: 1n });
  });

  test('the header carries the present revision even when the past is read', () => {
    const subject = filled('a', 'b', 'c');
    const past = subject.range('\0', { ...end('\0'), revision: 3n });
    expect(past.kvs.map((pair) => text(pair.key))).toEqual(['a', 'b']);
    expect(past.header?.revision).toBe(4n);
  });

  test('a future revision is out of range', () => {
    expect(filled('a').machine.range(rangeOf('a', { revision: 3n }))).toEqual({
      kind: 'error',
      error: etcdErrors.futureRevision,
    });
  });
});

describe('compaction', () => {
  test('reading at the compacted revision is allowed, below it is not', () => {
    const subject = filled('a', 'a', 'a');
    expect(subject.run({ kind: 'compact', request: { revision: 3n, physical: false } }).kind).toBe('compact');
    expect(subject.range('a', { revision: 3n }).kvs[0]?.version).toBe(2n);
    expect(subject.machine.range(rangeOf('a', { revision: 2n }))).toEqual({
      kind: 'error',
      error: etcdErrors.compacted,
    });
  });

  test('compacting again at or below it, or in the future, is refused', () => {
    const subject = filled('a', 'a', 'a');
    const compact = (revision: bigint) => subject.run({ kind: 'compact', request: { revision, physical: true } });
    compact(3n);
    expect(compact(3n)).toEqual({ kind: 'error', error: etcdErrors.compacted });
    expect(compact(5n)).toEqual({ kind: 'error', error: etcdErrors.futureRevision });
  });

  test('what a later read sees survives, also of keys that were deleted and made again', () => {
    const subject = filled('a', 'b');
    subject.delete('a');
    subject.put('a', 'again');
    subject.delete('b');
    subject.run({ kind: 'compact', request: { revision: 5n, physical: false } });
    expect(subject.keys('\0', end('\0'))).toEqual(['a']);
    expect(subject.keys('\0', { ...end('\0'), revision: 5n })).toEqual(['a', 'b']);
    expect(subject.machine.keyCount).toBe(1);
  });
});

describe('range', () => {
  const all = end('\0');

  test('order is by bytes, not by characters', () => {
    expect(filled('\xff', 'é', 'z', 'a', '\x80', 'a\0').keys('\0', all)).toEqual([
      'a',
      'a\0',
      'z',
      '\x80',
      'é',
      '\xff',
    ]);
  });

  test('an end of "\\0" means from the key on; an end at or below the key is empty', () => {
    const subject = filled('a', 'b', 'c');
    expect(subject.keys('b', all)).toEqual(['b', 'c']);
    expect(subject.keys('a', end('c'))).toEqual(['a', 'b']);
    expect(subject.keys('b', end('b'))).toEqual([]);
  });

  test('the limit cuts after filter and sort; more comes from it, count does not know it', () => {
    const subject = filled('a', 'b', 'c', 'd');
    const answer = subject.range('\0', {
      ...all,
      limit: 2n,
      minModRevision: 3n,
      sortOrder: pb.RangeRequest_SortOrder.DESCEND,
    });
    expect(answer.kvs.map((pair) => text(pair.key))).toEqual(['d', 'c']);
    expect(answer).toMatchObject({ more: true, count: 4n });
    expect(subject.range('\0', { ...all, limit: 4n }).more).toBe(false);
  });

  test('a sort target other than the key with no order sorts ascending', () => {
    const subject = filled('c', 'a', 'b');
    expect(subject.keys('\0', { ...all, sortTarget: pb.RangeRequest_SortTarget.CREATE })).toEqual(['c', 'a', 'b']);
  });

  test('keys only and count only', () => {
    const subject = filled('a', 'b');
    expect(subject.range('\0', { ...all, keysOnly: true }).kvs.map((pair) => pair.value.length)).toEqual([0, 0]);
    expect(subject.range('a').kvs[0]?.value.length).toBeGreaterThan(0);
    expect(subject.range('\0', { ...all, countOnly: true })).toMatchObject({ kvs: [], count: 2n, more: false });
  });
});

describe('compare', () => {
  const { EQUAL, GREATER, LESS } = pb.Compare_CompareResult;
  const { CREATE, VALUE, VERSION } = pb.Compare_CompareTarget;

  test('a missing key counts as zeros', () => {
    const subject = filled('a');
    const createdAt = (value: bigint): Partial<pb.Compare> => ({
      target: CREATE,
      targetUnion: { $case: 'createRevision', value },
    });
    expect(subject.succeeds(compareOf('x', { ...createdAt(0n), result: EQUAL }))).toBe(true);
    expect(subject.succeeds(compareOf('x', { ...createdAt(1n), result: LESS }))).toBe(true);
    expect(subject.succeeds(compareOf('a', { ...createdAt(0n), result: EQUAL }))).toBe(false);
  });

  test('but its value never compares, not even as unequal', () => {
    const subject = filled('a');
    for (const result of [0, 1, 2, 3] as const) {
      const compare = { target: VALUE, targetUnion: { $case: 'value', value: bytes('') }, result } as const;
      expect(subject.succeeds(compareOf('x', compare))).toBe(false);
    }
  });

  test('a range compare must hold for every key', () => {
    const subject = filled('a', 'b', 'b');
    const atLeast = (value: bigint) =>
      ({ target: VERSION, targetUnion: { $case: 'version', value }, result: GREATER }) as const;
    expect(subject.succeeds(compareOf('a', { ...end('c'), ...atLeast(0n) }))).toBe(true);
    expect(subject.succeeds(compareOf('a', { ...end('c'), ...atLeast(1n) }))).toBe(false);
  });
});

describe('transactions', () => {
  test('nested compares are all evaluated before any operation', () => {
    const subject = new Subject();
    const created = compareOf('a', { target: 1, targetUnion: { $case: 'createRevision', value: 0n } });
    subject.txn({ success: [op.put('a'), op.txn({ compare: [created], success: [op.put('b', 'a was missing')] })] });
    expect(subject.keys('\0', end('\0'))).toEqual(['a', 'b']);
  });

  test('a range inside sees what the transaction wrote before it', () => {
    const response = filled('a').txn({ success: [op.delete('a'), op.put('b'), op.range('\0', end('\0'))] });
    expect(response).toMatchObject({
      header: { revision: 3n },
      responses: [{}, {}, { response: { value: { count: 1n, header: { revision: 3n } } } }],
    });
  });

  const duplicate = { kind: 'error', error: etcdErrors.duplicateKey };
  test.each<[string, pb.RequestOp[], boolean]>([
    ['two puts', [op.put('a'), op.put('a')], false],
    ['a put and a deletion over it', [op.delete('a', 'c'), op.put('b')], false],
    ['a put and a deletion from a key on', [op.delete('a', '\0'), op.put('b')], false],
    ['two deletions', [op.delete('a', 'c'), op.delete('b')], true],
    ['a put beside a deletion', [op.delete('a', 'c'), op.put('c')], true],
    ['a nested put of the same key', [op.put('a'), op.txn({ failure: [op.put('a')] })], false],
    ['the two branches of a nested transaction', [op.txn({ success: [op.put('a')], failure: [op.put('a')] })], true],
    ['two nested transactions', [op.txn({ success: [op.put('a')] }), op.txn({ failure: [op.put('a')] })], false],
  ])('%s', (_, success, allowed) => {
    expect(new Subject().txn({ success })).toMatchObject(allowed ? { succeeded: true } : duplicate);
  });

  test('128 operations are allowed, 129 are not, and nested ones count', () => {
    const puts = (count: number) => Array.from({ length: count }, (_, at) => op.put(`k${at}`));
    expect(new Subject().txn({ success: puts(128) })).toMatchObject({ succeeded: true });
    expect(new Subject().txn({ success: puts(129) })).toEqual({ kind: 'error', error: etcdErrors.tooManyOps });
    expect(new Subject().txn({ success: [op.txn({ success: puts(128) })] })).toEqual({
      kind: 'error',
      error: etcdErrors.tooManyOps,
    });
  });

  test('a transaction that fails changes nothing', () => {
    const subject = filled('a');
    const ignoring = op.put('missing', '');
    if (ignoring.request?.$case === 'requestPut') ignoring.request.value.ignoreValue = true;
    const before = subject.machine.stateHash();
    expect(subject.txn({ success: [op.put('b'), ignoring] })).toEqual({ kind: 'error', error: etcdErrors.keyNotFound });
    expect(subject.machine.stateHash()).toBe(before);
    expect(subject.machine.revision).toBe(2);
  });
});

describe('put', () => {
  test('gives the previous pair when asked', () => {
    expect(filled('a').put('a', 'new', { prevKv: true })).toMatchObject({ prevKv: { version: 1n } });
    expect(new Subject().put('a', 'new', { prevKv: true })).toMatchObject({ prevKv: undefined });
  });

  test('can keep the value, of a key that exists', () => {
    const subject = filled('a');
    subject.put('a', '', { ignoreValue: true });
    expect(text(subject.range('a').kvs[0]?.value ?? bytes(''))).toBe('value of a');
    expect(subject.put('x', '', { ignoreValue: true })).toEqual({ kind: 'error', error: etcdErrors.keyNotFound });
    expect(subject.put('a', 'v', { ignoreValue: true })).toEqual({ kind: 'error', error: etcdErrors.valueProvided });
  });

  test('a lease that does not exist is refused', () => {
    expect(filled('a').put('a', 'v', { lease: 2n ** 62n })).toEqual({ kind: 'error', error: etcdErrors.leaseNotFound });
  });
});

describe('the log', () => {
  const command = (sequence: number, key: string, acknowledgedBelow = 0) =>
    encodeCommand(
      { request: { origin: 3, boot: 2 ** 48 - 1, sequence }, acknowledgedBelow },
      { kind: 'put', request: putOf(key) },
    );

  test('a command decided in two slots is applied once', () => {
    const machine = new KeyValueMachine();
    expect(machine.apply(1, command(1, 'a'))?.request).toEqual({ origin: 3, boot: 2 ** 48 - 1, sequence: 1 });
    expect(machine.apply(2, command(2, 'b', 1))).not.toBeNull();
    expect(machine.apply(3, command(1, 'a'))).toBeNull();
    expect(machine.apply(4, command(2, 'b', 1))).toBeNull();
    expect(machine).toMatchObject({ revision: 3, appliedUpTo: 4 });
  });

  test('a no-op takes its slot and nothing else', () => {
    const machine = new KeyValueMachine();
    expect(machine.apply(1, new Uint8Array(0))).toBeNull();
    expect(machine).toMatchObject({ revision: 1, appliedUpTo: 1 });
  });

  test('a slot out of order is a bug', () => {
    expect(() => new KeyValueMachine().apply(2, new Uint8Array(0))).toThrow('cannot follow');
  });

  test('bytes that are no command are refused', () => {
    expect(() => decodeCommand(bytes('garbage'))).toThrow(CommandFormatError);
    const unknownKind = command(1, 'a');
    unknownKind[1] = 99;
    expect(() => decodeCommand(unknownKind)).toThrow(CommandFormatError);
  });

  test('machines that applied the same slots have the same hash, and others do not', () => {
    const [one, two, other] = [new KeyValueMachine(), new KeyValueMachine(), new KeyValueMachine()];
    for (const machine of [one, two]) machine.apply(1, command(1, 'a'));
    other.apply(1, command(1, 'b'));
    expect(one.stateHash()).toBe(two.stateHash());
    expect(one.stateHash()).not.toBe(other.stateHash());
  });

  test('a stored value does not share the bytes it came in', () => {
    const machine = new KeyValueMachine();
    const value = command(1, 'a');
    machine.apply(1, value);
    value.fill(0);
    const result = machine.range(rangeOf('a'));
    expect(result.kind === 'range' && text(result.response.kvs[0]?.value ?? bytes(''))).toBe('v');
  });
});

describe('what may be read at once', () => {
  const MIB = 1024 * 1024;
  function large(): Subject {
    const subject = new Subject();
    for (let number = 0; number < 40; number++) subject.put(`k${number}`, 'x'.repeat(MIB));
    return subject;
  }

  test('a change that reads more than 64 MiB is refused on every node, and changes nothing', () => {
    const subject = large();
    const all = op.range('k', end('l'));
    const { revision } = subject.machine;
    expect(subject.txn({ success: [op.put('new'), all, all] })).toEqual({
      kind: 'error',
      error: etcdErrors.requestTooLarge,
    });
    const nested = op.txn({ success: [all, all] });
    expect(subject.txn({ success: [op.put('new'), nested] })).toMatchObject({ kind: 'error' });
    const deletion = pb.DeleteRangeRequest.create({ key: bytes('k'), ...end('l'), prevKv: true });
    const request: pb.RequestOp = { request: { $case: 'requestDeleteRange', value: deletion } };
    expect(subject.txn({ success: [all, request] })).toMatchObject({ kind: 'error' });
    expect(subject.machine.revision).toBe(revision);
    expect(subject.txn({ success: [op.put('new'), all] })).toMatchObject({ succeeded: true });
  });

  test('a reader is asked with the bytes of what it will get, and its refusal is the answer', () => {
    const subject = large();
    const asked: number[] = [];
    const admit = (limit: number) => (bytes: number) => {
      asked.push(bytes);
      return bytes > limit ? etcdErrors.tooManyRequests : null;
    };
    const refused = { kind: 'error', error: etcdErrors.tooManyRequests };
    const { machine } = subject;
    const range = (more: Partial<pb.RangeRequest>) =>
      machine.range(rangeOf('k', { ...end('l'), ...more }), admit(2 * MIB));
    expect(range({})).toEqual(refused);
    expect(range({ limit: 1n })).toMatchObject({ response: { more: true, count: 40n } });
    expect(range({ keysOnly: true })).toMatchObject({ response: { more: false, count: 40n } });
    expect(range({ countOnly: true })).toMatchObject({ response: { kvs: [], count: 40n } });
    expect(asked.map((bytes) => Math.floor(bytes / MIB))).toEqual([40, 1, 0, 0]);
    const all = op.range('k', end('l'));
    expect(machine.readTransaction(txnOf({ success: [all, all] }), admit(79 * MIB))).toEqual(refused);
    expect(machine.readTransaction(txnOf({ success: [all] }), admit(79 * MIB))).toMatchObject({ kind: 'txn' });
  });
});
