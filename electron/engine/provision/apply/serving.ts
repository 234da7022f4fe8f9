/**
 * Whether a new cluster serves: first a leader that a majority agrees on, as the nodes themselves report it; then the proof
 * that counts, a write through one node and a linearizable read of it through each.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { NodeSample } from '../../../../cluster-node/contract/sample.ts';
import type { Agents } from '../../agents/agents.ts';
import { EtcdClient } from '../../etcd/client.ts';
import type { StoredMember } from '../../fleet/records.ts';
import { FailureError } from '../../operations/failure.ts';
import type { StepResult } from '../../operations/operations.ts';
import type { AccessFiles } from '../cluster-keys.ts';

const QUORUM_WITHIN_MS = 30_000;
const VERIFIED_WITHIN_MS = 20_000;
const RETRY_MS = 100;
const KEY_PREFIX = 'synod/verify/';

/** Waits until fresh samples of a majority agree, and that of `including` with them. Throws FailureError `noQuorum` that says what each node claims. */
export async function waitForQuorum(
  agents: Agents,
  wanted: { members: readonly StoredMember[]; including?: StoredMember },
  signal: AbortSignal,
): Promise<StepResult> {
  const { members, including } = wanted;
  const claims = new Map<string, NodeSample>();
  const { promise, resolve, reject } = Promise.withResolvers<StepResult>();
  const stop = agents.listen({
    onNodeEvents: () => undefined,
    onState: () => undefined,
    onSample: ({ sample }) => {
      for (const { node } of sample.nodes) if (node) claims.set(node.nodeId, node);
      const leader = agreedLeader(members, claims);
      const follows = !including || claims.get(including.nodeId)?.believedLeader === leader?.memberSlot;
      if (leader && follows) resolve({ state: 'succeeded', detail: `${leader.name} leads` });
    },
  });
  const timer = setTimeout(() => reject(noQuorum(members, claims)), QUORUM_WITHIN_MS);
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  try {
    return await promise;
  } finally {
    stop();
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

/** The member that a majority follows under one ballot and that says itself that it leads; null: none. */
export function agreedLeader(
  members: readonly StoredMember[],
  claims: ReadonlyMap<string, NodeSample>,
): StoredMember | null {
  const majority = Math.floor(members.length / 2) + 1;
  for (const member of members) {
    const own = claims.get(member.nodeId);
    if (own?.role !== 'leader') continue;
    const followers = members.filter((other) => {
      const claim = claims.get(other.nodeId);
      return claim?.believedLeader === member.memberSlot && claim.leaderBallot === own.leaderBallot;
    });
    if (followers.length >= majority) return member;
  }
  return null;
}

function noQuorum(members: readonly StoredMember[], claims: ReadonlyMap<string, NodeSample>): FailureError {
  const words = members.map((member) => {
    const claim = claims.get(member.nodeId);
    if (!claim) return `${member.name} does not answer`;
    const leader = members.find((other) => other.memberSlot === claim.believedLeader)?.name ?? 'no leader';
    const reached = claim.peers.filter((peer) => peer.connected).length;
    return `${member.name} believes in ${leader} and reaches ${reached} of ${members.length - 1} peers`;
  });
  return new FailureError({
    kind: 'noQuorum',
    message: `The nodes did not agree on a leader within ${QUORUM_WITHIN_MS / 1000} s: ${words.join('; ')}.`,
    nextStep:
      'Check that the hosts reach each other on the peer port (firewall?) and see the nodes’ logs, then run this again.',
  });
}

/** Throws FailureError `notServing`, naming the node that failed. Leaves no key behind. */
export async function verifyServing(
  members: readonly StoredMember[],
  access: AccessFiles,
  signal: AbortSignal,
): Promise<StepResult> {
  const [ca, cert, key] = await Promise.all([access.ca, access.cert, access.key].map((path) => readFile(path, 'utf8')));
  if (ca === undefined || cert === undefined || key === undefined) throw new Error('three files were read');
  const clients = members.map((member) => ({
    member,
    client: new EtcdClient({ endpoint: endpointOf(member), tls: { ca, cert, key } }),
  }));
  const probe = { key: `${KEY_PREFIX}${randomBytes(6).toString('hex')}`, value: randomBytes(12).toString('hex') };
  const deadline = performance.now() + VERIFIED_WITHIN_MS;
  try {
    const first = clients[0];
    if (!first) throw new Error('a cluster has members');
    await persist({ member: first.member, deadline, signal }, () => first.client.put(probe.key, probe.value));
    await Promise.all(
      clients.map(({ member, client }) =>
        persist({ member, deadline, signal }, async () => {
          const found = await client.get(probe.key);
          const value = found === null ? null : Buffer.from(found.value).toString('utf8');
          if (value !== probe.value)
            throw new Error(`a linearizable read gave ${value ?? 'nothing'}, not what was written`);
        }),
      ),
    );
    await persist({ member: first.member, deadline, signal }, () =>
      first.client.deleteRange({ key: Buffer.from(probe.key) }),
    );
  } finally {
    for (const { client } of clients) client.close();
  }
  return { state: 'succeeded', detail: `written once, read on ${members.length === 1 ? 'its node' : 'each node'}` };
}

export function endpointOf(member: { address: string; clientPort: number }): string {
  const address = member.address.includes(':') ? `[${member.address}]` : member.address;
  return `https://${address}:${member.clientPort}`;
}

/** Until it works or the time is up: all three changes may be repeated. */
async function persist(
  at: { member: StoredMember; deadline: number; signal: AbortSignal },
  attempt: () => Promise<unknown>,
): Promise<void> {
  for (;;) {
    at.signal.throwIfAborted();
    try {
      await attempt();
      return;
    } catch (error) {
      if (performance.now() > at.deadline) throw notServing(at.member, error);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

function notServing(member: StoredMember, cause: unknown): FailureError {
  return new FailureError(
    {
      kind: 'notServing',
      host: member.name,
      message: `${member.name} does not serve clients at ${endpointOf(member)}: ${(cause as Error).message}.`,
      nextStep:
        'Check that this computer reaches the client port (firewall?) and see the node’s log, then run this again.',
    },
    { cause },
  );
}
