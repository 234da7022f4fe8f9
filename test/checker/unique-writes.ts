/**
 * The same question as linearizability.ts answers, for one register to which no value is written twice: then a read tells which
 * write it saw, and sorting is enough (Gibbons & Korach, "Testing shared memories", 1997). So histories are judged that are far too
 * long and too concurrent for a search, and there is always an answer.
 *
 * A write and the reads of its value are a *cluster*, which must stand together in any order. Cluster A must come before B
 * if an operation of A returned before one of B was called; an order exists unless two clusters must come before each other.
 */
import type { Operation } from './history.ts';
import { type RegisterInput, registerModel, type RegisterOutput } from './register.ts';

type RegisterOperation = Operation<RegisterInput, RegisterOutput>;

interface Cluster {
  /** null: the register's first value. */
  readonly write: RegisterOperation | null;
  /** Of its operations that which returned first, and when. */
  first: RegisterOperation | null;
  firstReturn: number;
  /** Of its operations that which was called last, and when. */
  last: RegisterOperation | null;
  lastCall: number;
  isRead: boolean;
}

/**
 * Few operations that no order explains, in words; null when the history is linearizable. Throws RangeError when a value is
 * written twice.
 */
export function checkUniqueWrites(history: readonly RegisterOperation[]): readonly string[] | null {
  const clusters = new Map<RegisterOutput, Cluster>();
  const nothing = { write: null, first: null, firstReturn: Number.NEGATIVE_INFINITY };
  clusters.set(null, { ...nothing, last: null, lastCall: Number.NEGATIVE_INFINITY, isRead: false });
  for (const operation of history) {
    const { input, calledAt: lastCall, returned } = operation;
    if (input.kind === 'read') continue;
    if (clusters.has(input.value)) throw new RangeError(`${input.value} is written twice`);
    const firstReturn = returned?.at ?? Number.POSITIVE_INFINITY;
    const both = { write: operation, first: operation, last: operation };
    clusters.set(input.value, { ...both, firstReturn, lastCall, isRead: false });
  }
  for (const operation of history) {
    const { input, calledAt, returned } = operation;
    if (input.kind === 'write' || returned === null) continue;
    const cluster = clusters.get(returned.output);
    if (cluster === undefined || returned.at < (cluster.write?.calledAt ?? Number.NEGATIVE_INFINITY))
      return inWords([operation, cluster?.write ?? null]);
    join(cluster, operation, { calledAt, returnedAt: returned.at });
  }
  // A write of unknown outcome that nobody saw need not have happened.
  return conflict([...clusters.values()].filter(({ write, isRead }) => isRead || write?.returned !== null));
}

function join(cluster: Cluster, operation: RegisterOperation, at: { calledAt: number; returnedAt: number }): void {
  cluster.isRead = true;
  if (at.returnedAt < cluster.firstReturn) {
    cluster.firstReturn = at.returnedAt;
    cluster.first = operation;
  }
  if (at.calledAt > cluster.lastCall) {
    cluster.lastCall = at.calledAt;
    cluster.last = operation;
  }
}

/** Clusters whose value certainly was in the register for a while must not overlap, nor have another one all inside. */
function conflict(clusters: readonly Cluster[]): readonly string[] | null {
  const lasting = clusters.filter(({ firstReturn, lastCall }) => firstReturn < lastCall);
  lasting.sort((left, right) => left.firstReturn - right.firstReturn);
  for (const [at, cluster] of lasting.entries()) {
    const before = lasting[at - 1];
    if (before !== undefined && cluster.firstReturn < before.lastCall) return inWordsOf(before, cluster);
  }
  for (const cluster of clusters) {
    if (cluster.firstReturn < cluster.lastCall) continue;
    const around = lastBefore(lasting, cluster.lastCall);
    if (around !== undefined && cluster.firstReturn < around.lastCall) return inWordsOf(around, cluster);
  }
  return null;
}

/** The last of them that certainly was in the register before `moment`. */
function lastBefore(lasting: readonly Cluster[], moment: number): Cluster | undefined {
  let from = 0;
  let end = lasting.length;
  while (from < end) {
    const middle = (from + end) >> 1;
    if ((lasting[middle] as Cluster).firstReturn < moment) from = middle + 1;
    else end = middle;
  }
  return lasting[from - 1];
}

function inWordsOf(one: Cluster, other: Cluster): readonly string[] {
  return inWords([one.write, one.first, one.last, other.write, other.first, other.last]);
}

function inWords(operations: readonly (RegisterOperation | null)[]): readonly string[] {
  const distinct = [...new Set(operations)].filter((operation) => operation !== null);
  return distinct
    .sort((left, right) => left.calledAt - right.calledAt)
    .map(({ client, input, calledAt, returned }) => {
      const what = registerModel.describe(input, returned?.output);
      return `client ${client}: ${what}, ${calledAt} … ${returned?.at ?? 'unknown'}`;
    });
}
