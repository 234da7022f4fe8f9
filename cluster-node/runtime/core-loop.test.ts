import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import type { Entry, PeerMessage } from '../contract/peer.ts';
import type { Effect, Input } from '../paxos/interface.ts';
import type { AppendedRecord } from '../storage/log/planner.ts';
import { EntryDamagedError } from '../storage/errors.ts';
import { CoreLoop, type CoreSurroundings } from './core-loop.ts';

/** A core that answers each input with the next of the given lists of effects. */
function scripted(script: Effect[][], around: Partial<CoreSurroundings> = {}) {
  const inputs: Input[] = [];
  const done: string[] = [];
  const records: AppendedRecord[] = [];
  const core = {
    step: (input: Input) => {
      inputs.push(input);
      return input.kind === 'applied' ? [] : (script.shift() ?? []);
    },
    status: () => {
      throw new Error('not asked for');
    },
  };
  const loop = new CoreLoop(core, {
    nowMs: () => 0,
    log: {
      append: (more) => records.push(...more),
      flush: () => done.push('flush'),
      readEntries: () => Promise.resolve([]),
    },
    apply: (slot) => {
      done.push(`apply ${slot}`);
      return null;
    },
    peers: { send: (to, message) => done.push(`send ${message.kind} to ${to}`), flush: () => {} },
    onApplied: () => undefined,
    onAppliedUpTo: (slot) => done.push(`applied ${slot}`),
    onReadTaken: () => undefined,
    onReadReady: () => undefined,
    onRefused: () => undefined,
    onEvent: () => undefined,
    snapshotSlot: () => 0,
    onLost: () => {},
    onFetchSnapshot: () => {},
    onInstall: () => {},
    onTicked: () => {},
    onLogUnreadable: (error) => done.push(`unreadable: ${error.message}`),
    onEntryDamaged: (error) => done.push(`damaged: slot ${error.slot}`),
    ...around,
  });
  return { loop, inputs, done, records };
}

const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
const nack: PeerMessage = { kind: 'nack', ballot: 1, promised: 2, configId: 1 };
const send = (to: number, afterDurable: number): Effect => ({ kind: 'send', to, message: nack, afterDurable });
const persist = (sequence: number): Effect => ({
  kind: 'persist',
  sequence,
  record: { kind: 'promised', ballot: 1025 },
});
const entryOf = (slot: number): Entry => {
  const value = Uint8Array.of(slot);
  return { slot, ballot: 1025, value, digest: crc32(value) };
};

test('a message that vows something leaves only when that is on disk', async () => {
  const { loop, done } = scripted([[persist(1), send(2, 1), send(3, 0), persist(2), send(4, 2)]]);
  loop.submit({ kind: 'tick' });
  await turn();
  expect(done).toEqual(['send nack to 3', 'flush']);
  loop.submit({ kind: 'durable', upTo: 1 });
  await turn();
  expect(done).toEqual(['send nack to 3', 'flush', 'send nack to 2']);
  loop.submit({ kind: 'durable', upTo: 2 });
  await turn();
  expect(done.at(-1)).toBe('send nack to 4');
});

test('what goes to others leaves before the disk is woken', async () => {
  const done: string[] = [];
  const { loop } = scripted([[send(2, 0), persist(1)]], {
    peers: { send: (to) => done.push(`send to ${to}`), flush: () => done.push('sent') },
    log: { append: () => {}, flush: () => done.push('write'), readEntries: () => Promise.resolve([]) },
  });
  loop.submit({ kind: 'link', member: 2, up: true });
  await turn();
  expect(done).toEqual(['send to 2', 'sent', 'write']);
});

test('the inputs of one turn make one write', async () => {
  const { loop, done, records } = scripted([[persist(1)], [persist(2)], [persist(3)]]);
  for (let member = 1; member <= 3; member++) loop.submit({ kind: 'link', member, up: true });
  await turn();
  expect(records.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
  expect(done).toEqual(['flush']);
});

test('a tick that was taken is a sign of life, and a stopped loop gives none', async () => {
  let ticked = 0;
  const { loop } = scripted([], { onTicked: () => void ticked++ });
  loop.submit({ kind: 'tick' });
  await turn();
  expect(ticked).toBe(1);
  loop.stop();
  loop.submit({ kind: 'tick' });
  await turn();
  expect(ticked).toBe(1);
});

test('a tick is taken after what came in the same turn, and once', async () => {
  const { loop, inputs } = scripted([]);
  loop.submit({ kind: 'tick' });
  loop.submit({ kind: 'tick' });
  loop.submit({ kind: 'link', member: 2, up: true });
  await turn();
  expect(inputs.map(({ kind }) => kind)).toEqual(['link', 'tick']);
});

test('knowledge alone waits for a record that must be written, unless a message waits for it', async () => {
  const decided: Effect = { kind: 'persist', sequence: 1, record: { kind: 'decided', upTo: 1 } };
  const { loop, done, records } = scripted([[decided], [send(2, 1)]]);
  loop.submit({ kind: 'tick' });
  await turn();
  expect(records).toHaveLength(1);
  expect(done).toEqual([]);
  loop.submit({ kind: 'tick' });
  await turn();
  expect(done).toEqual(['flush']);
  loop.stop();
});

test('what is delivered is executed in order and reported in the same turn', async () => {
  const deliver = (slot: number): Effect => ({ kind: 'deliver', entry: entryOf(slot) });
  const { loop, done, inputs } = scripted([[deliver(1), deliver(2)]]);
  loop.submit({ kind: 'tick' });
  await turn();
  expect(done).toEqual(['apply 1', 'apply 2', 'applied 2']);
  expect(inputs).toEqual([{ kind: 'tick' }, { kind: 'applied', upTo: 2 }]);
});

test('of repeated prepares and promises one a member and page is held, of the highest ballot', async () => {
  const vow = (ballot: number, page: number): Effect => ({
    kind: 'send',
    to: 2,
    message: { kind: 'promise', ballot, fromSlot: 1, page, last: page === 1, entries: [], faulty: [], decidedUpTo: 0 },
    afterDurable: 1,
  });
  const ask = (to: number, ballot: number): Effect => ({
    kind: 'send',
    to,
    message: { kind: 'prepare', ballot, configId: 1, fromSlot: 1, leaseReleased: 0 },
    afterDurable: 1,
  });
  const left: string[] = [];
  const send = (to: number, message: PeerMessage) =>
    left.push(`${message.kind} ${'ballot' in message ? message.ballot : ''} to ${to}`);
  const repeated = Array.from({ length: 1000 }, () => [vow(1025, 0), vow(1025, 1), ask(2, 3), ask(3, 3)]).flat();
  const { loop } = scripted([[persist(1), ...repeated, vow(2049, 0), vow(1025, 0)]], {
    peers: { send, flush: () => {} },
  });
  loop.submit({ kind: 'tick' });
  await turn();
  loop.submit({ kind: 'durable', upTo: 1 });
  await turn();
  expect(left.sort()).toEqual(['prepare 3 to 2', 'prepare 3 to 3', 'promise 1025 to 2', 'promise 2049 to 2']);
});

test('an unreadable log answers a peer with nothing and is told', async () => {
  const log = {
    append: () => undefined,
    flush: () => undefined,
    readEntries: () => Promise.reject(new Error('damaged')),
  };
  const readLog: Effect = { kind: 'readLog', to: 2, fromSlot: 5, maxBytes: 100 };
  const { loop, done, inputs } = scripted([[readLog]], { log });
  loop.submit({ kind: 'tick' });
  await turn();
  await turn();
  expect(done).toEqual(['unreadable: damaged']);
  expect(inputs.at(-1)).toEqual({ kind: 'logRead', to: 2, fromSlot: 5, entries: [], snapshotSlot: 0 });
});

test('a damaged entry ends the node unless a snapshot has it', async () => {
  let newest = 4;
  const log = {
    append: () => undefined,
    flush: () => undefined,
    readEntries: () => Promise.reject(new EntryDamagedError(5, 'log, offset 8')),
  };
  const readLog: Effect = { kind: 'readLog', to: 2, fromSlot: 5, maxBytes: 100 };
  const { loop, done, inputs } = scripted([[readLog], [readLog]], { log, snapshotSlot: () => newest });
  loop.submit({ kind: 'tick' });
  await turn();
  expect(done).toEqual(['damaged: slot 5']);
  expect(inputs).toHaveLength(1);
  newest = 5;
  loop.submit({ kind: 'tick' });
  await turn();
  await turn();
  expect(done.at(-1)).toMatch(/^unreadable: log, offset 8: /);
  expect(inputs.at(-1)).toMatchObject({ kind: 'logRead', entries: [], snapshotSlot: 5 });
});

test('a log that cannot give an entry answers with the slot of the snapshot, one that can does not', async () => {
  let entries = [entryOf(5)];
  const log = { append: () => 0, flush: () => 0, readEntries: () => Promise.resolve(entries) };
  const readLog: Effect = { kind: 'readLog', to: 2, fromSlot: 5, maxBytes: 100 };
  const { loop, inputs } = scripted([[readLog], [], [readLog]], { log, snapshotSlot: () => 60 });
  loop.submit({ kind: 'tick' });
  await turn();
  expect(inputs.at(-1)).toMatchObject({ kind: 'logRead', entries, snapshotSlot: 0 });
  // After a restart a snapshot may reach further than what is on disk says to be decided.
  entries = [];
  loop.submit({ kind: 'tick' });
  await turn();
  expect(inputs.at(-1)).toMatchObject({ kind: 'logRead', entries, snapshotSlot: 60 });
});

test('after stop nothing is taken and nothing held back is sent', async () => {
  const { loop, done, inputs } = scripted([[persist(1), send(2, 1)]]);
  loop.submit({ kind: 'tick' });
  await turn();
  loop.stop();
  loop.submit({ kind: 'durable', upTo: 1 });
  await turn();
  expect(inputs).toHaveLength(1);
  expect(done).toEqual(['flush']);
});
