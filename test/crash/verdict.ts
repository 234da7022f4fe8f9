/**
 * What must hold after every test here: the clients' history is linearizable, revisions never went back, counters were
 * counted up exactly once for each answer, and all nodes hold the same. Each checker is shown a forged copy of the same
 * history, too, which it must refuse.
 */
import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { RangeRequest, RangeResponse } from '../../cluster-node/contract/etcd/rpc.ts';
import { keyValueModel } from '../checker/key-value.ts';
import { checkPartitions, type Verdict } from '../checker/linearizability.ts';
import { measured } from '../fixtures/measured.ts';
import type { TestCluster, TestNode } from '../fixtures/test-cluster.ts';
import { eventually, PATIENCE_MS } from './patience.ts';
import { countOf, type Load } from './load.ts';
import type { KeyValueOperation, RevisionSeen } from './recorded-client.ts';

/** Few enough for one answer when values are big. */
const KEYS_PER_PAGE = 8n;

/** Reads every key through every node, then judges all that the clients of this load saw. */
export async function expectNothingWrong(cluster: TestCluster, load: Load): Promise<void> {
  const { recorder } = load;
  for (const node of cluster.nodes) await readAll(cluster, node, load);
  expect(load.answered).toBeGreaterThan(50);
  expectLinearizable(recorder.history);
  expectOrderedRevisions(recorder.revisions);
  for (const counter of load.counters) expectCountedOnce(recorder.history, counter);
  await expectEqualStates(cluster);
  const open = recorder.history.filter(({ returned }) => returned === null).length;
  measured(`of ${recorder.history.length} operations judged, without an answer`, open, 'operations');
}

/** After the load, as clients of their own: what was acknowledged must be there, whichever node is asked. */
async function readAll(cluster: TestCluster, node: TestNode, load: Load): Promise<void> {
  const client = cluster.client(node);
  const by = 1000 + node.member.memberSlot;
  for (const key of [...load.registers, ...load.counters])
    await eventually(`${node.member.name} to answer a read`, () =>
      load.recorder.ask(client, { kind: 'get', key }, { by, timeoutMs: 2000 }),
    );
  client.close();
}

function expectLinearizable(history: readonly KeyValueOperation[]): void {
  const verdict = judge(history);
  expect(verdict.kind === 'violation' ? verdict.window : verdict.kind).toBe('ok');
  // Had the last read of some key missed the last acknowledged change, it would have been found.
  expect(judge(withStaleRead(history)).kind).toBe('violation');
}

function judge(history: readonly KeyValueOperation[]): Verdict {
  return checkPartitions(keyValueModel, history, { partitionOf: ({ key }) => key });
}

/** The same history, but for one last read that returns what was there before the last acknowledged change. */
function withStaleRead(history: readonly KeyValueOperation[]): KeyValueOperation[] {
  for (const read of history.toReversed()) {
    if (read.returned?.output.kind !== 'get') continue;
    const { found } = read.returned.output;
    const change = history.find(
      ({ returned }) => returned && 'revision' in returned.output && returned.output.revision === found?.modRevision,
    );
    if (change?.returned == null || change.returned.at >= read.calledAt || change.input.key !== read.input.key)
      continue;
    const earlier = history.find(
      ({ input, returned }) =>
        input.key === read.input.key &&
        returned?.output.kind === 'get' &&
        returned.at < (change?.calledAt ?? 0) &&
        returned.output.found?.modRevision !== found?.modRevision,
    );
    if (earlier?.returned == null) continue;
    const stale: KeyValueOperation = { ...read, returned: { at: read.returned.at, output: earlier.returned.output } };
    return history.map((operation) => (operation === read ? stale : operation));
  }
  throw new Error('no read of this history can be forged');
}

function expectOrderedRevisions(revisions: readonly RevisionSeen[]): void {
  expect(fallingRevisions(revisions)).toEqual([]);
  const last = revisions.at(-1) as RevisionSeen;
  expect(
    fallingRevisions([...revisions, { ...last, calledAt: last.returnedAt + 1, revision: last.revision - 1 }]),
  ).not.toEqual([]);
}

/** Answers whose revision lies below one that was known before they were asked for, over all keys; and changes that share one. */
function fallingRevisions(revisions: readonly RevisionSeen[]): RevisionSeen[] {
  const byReturn = revisions.toSorted((a, b) => a.returnedAt - b.returnedAt);
  const writes = new Map<number, RevisionSeen>();
  const wrong: RevisionSeen[] = [];
  let known = 0;
  let at = 0;
  for (const seen of revisions.toSorted((a, b) => a.calledAt - b.calledAt)) {
    for (; (byReturn[at]?.returnedAt ?? Number.POSITIVE_INFINITY) < seen.calledAt; at++)
      known = Math.max(known, byReturn[at]?.revision ?? 0);
    if (seen.revision < known || (seen.isWrite && (seen.revision === known || writes.has(seen.revision))))
      wrong.push(seen);
    if (seen.isWrite) writes.set(seen.revision, seen);
  }
  return wrong;
}

/** Every acknowledged step counted, none twice, and none that could not have happened. */
function expectCountedOnce(history: readonly KeyValueOperation[], counter: string): void {
  const ofCounter = history.filter(({ input }) => input.key === counter);
  const swaps = ofCounter.filter(({ input }) => input.kind === 'cas');
  const acknowledged = swaps.filter(({ returned }) => returned?.output.kind === 'swapped').length;
  const open = swaps.filter(({ returned }) => returned === null).length;
  const last = ofCounter.findLast(({ input }) => input.kind === 'get')?.returned?.output;
  const count = last?.kind === 'get' ? countOf(last.found) : -1;
  expect(count, `${counter}: ${acknowledged} steps acknowledged, ${open} of unknown outcome`).toBeGreaterThanOrEqual(
    acknowledged,
  );
  expect(count, `${counter}: ${acknowledged} steps acknowledged, ${open} of unknown outcome`).toBeLessThanOrEqual(
    acknowledged + open,
  );
}

/** All keys with all their revisions, as this node itself holds them. */
async function stateHash(cluster: TestCluster, node: TestNode): Promise<string> {
  const client = cluster.client(node);
  const codecs = { request: RangeRequest, response: RangeResponse };
  const hash = createHash('sha256');
  for (let from: Uint8Array | null = Buffer.from([0]); from !== null; ) {
    const page = { key: from, rangeEnd: Buffer.from([0]), limit: KEYS_PER_PAGE, serializable: true };
    const request = RangeRequest.fromPartial(page);
    const { kvs, header, more }: RangeResponse = await client.call('/etcdserverpb.KV/Range', codecs, request, 5000);
    for (const { key, value, createRevision, modRevision, version } of kvs)
      hash.update(`\n${Buffer.from(key).toString('hex')} ${createRevision} ${modRevision} ${version} `).update(value);
    const last = kvs.at(-1);
    if (last === undefined) throw new Error(`${node.member.name} holds no key`);
    // The least key after the last one.
    from = more ? Buffer.concat([last.key, Buffer.from([0])]) : null;
    if (!more) hash.update(`at revision ${header?.revision}`);
  }
  client.close();
  return hash.digest('hex');
}

async function expectEqualStates(cluster: TestCluster): Promise<void> {
  await cluster.level(cluster.nodes, PATIENCE_MS);
  const hashes = await Promise.all(cluster.nodes.map((node) => stateHash(cluster, node)));
  expect(new Set(hashes).size, `state hashes ${hashes.join(', ')}`).toBe(1);
}
