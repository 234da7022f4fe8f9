/**
 * Whether a new cluster serves: first a leader that a majority agrees on, as the nodes themselves report it; then the proof
 * that counts, a write through one node and a linearizable read of it through each.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { EtcdClient } from '../../etcd/client.ts';
import type { MemberPicture, Picture } from '../../fleet/plan/picture.ts';
import type { StoredMember } from '../../fleet/records.ts';
import type { ServicePort } from '../../nodes/node-port.ts';
import { FailureError } from '../../operations/failure.ts';
import type { StepResult } from '../../operations/operations.ts';
import type { AccessFiles } from '../cluster-keys.ts';

const QUORUM_WITHIN_MS = 30_000;
const VERIFIED_WITHIN_MS = 20_000;
const RETRY_MS = 100;
const KEY_PREFIX = 'synod/verify/';

/**
 * Waits until enough nodes for a quorum follow one leader as they are seen now, and `including` with them. Throws FailureError
 * `noQuorum` that says what each node claims.
 */
export async function waitForQuorum(
  port: Pick<ServicePort, 'observations' | 'picture'>,
  wanted: { clusterId: string; including?: Pick<StoredMember, 'memberSlot'> },
  signal: AbortSignal,
): Promise<StepResult> {
  const { clusterId, including } = wanted;
  const leader = await port.observations.waitFor(() => agreedLeader(port.picture(clusterId), including), {
    timeoutMs: QUORUM_WITHIN_MS,
    signal,
  });
  if (leader) return { state: 'succeeded', detail: `${leader.name} leads` };
  throw noQuorum(port.picture(clusterId));
}

function agreedLeader(picture: Picture, including: Pick<StoredMember, 'memberSlot'> | undefined): MemberPicture | null {
  if (picture.leader === null || picture.working.length < picture.quorumSize) return null;
  if (including && !picture.working.includes(including.memberSlot)) return null;
  return picture.members.find((member) => member.memberSlot === picture.leader?.memberSlot) ?? null;
}

function noQuorum({ members }: Picture): FailureError {
  const words = members.map(({ name, sample, service }) => {
    if (!sample) return `${name} does not answer${service?.reason ? ` (${service.reason})` : ''}`;
    const leader = members.find((other) => other.memberSlot === sample.believedLeader)?.name ?? 'no leader';
    const reached = sample.peers.filter((peer) => peer.connected).length;
    return `${name} believes in ${leader} and reaches ${reached} of ${members.length - 1} peers`;
  });
  return new FailureError({
    kind: 'noQuorum',
    message: `The nodes did not agree on a leader within ${QUORUM_WITHIN_MS / 1000} s: ${words.join('; ')}.`,
    nextStep:
      'Check that the hosts reach each other on the peer port (firewall?) and see the nodes’ logs, then run this again.',
  });
}

/**
 * Throws FailureError `notServing`, naming the node that failed. Deletes its key again; after a failure that is tried once
 * through each node, so a key below `synod/verify/` stays only where none of them serves.
 */
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
  const remove = (client: EtcdClient) => client.deleteRange({ key: Buffer.from(probe.key) });
  let isRemoved = false;
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
    await persist({ member: first.member, deadline, signal }, () => remove(first.client));
    isRemoved = true;
  } finally {
    if (!isRemoved) await Promise.any(clients.map(({ client }) => remove(client))).catch(() => undefined);
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
