/** etcd's clients know clusters and members by 64-bit numbers; ours have names that are never reused. */
import { createHash } from 'node:crypto';

/** A stable unsigned 64-bit id, never 0. */
export function clusterIdOf(clusterId: string): bigint {
  return idOf(`cluster ${clusterId}`);
}

/** A stable unsigned 64-bit id, never 0 (which means "none" in etcd's API). */
export function memberIdOf(nodeId: string): bigint {
  return idOf(`member ${nodeId}`);
}

function idOf(name: string): bigint {
  return createHash('sha256').update(name).digest().readBigUInt64BE(0) || 1n;
}
