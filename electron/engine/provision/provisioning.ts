/**
 * The work on hosts: a cluster put on them, and taken off again. Every host is looked at before the first one is changed, each is
 * looked at again at the end, and only what was seen counts.
 */
import type { StoredCluster, StoredMember } from '../fleet/records.ts';
import { FailureError, failureOf } from '../operations/failure.ts';
import type { OperationRun } from '../operations/operations.ts';
import { allHosts } from './all-hosts.ts';
import { compareWithCapture, forgetCapture, takeCapture } from './apply/capture.ts';
import type { CommandLog } from './apply/command-log.ts';
import { type ApplyParts, HostApply, hostStepsOf, stepName } from './apply/host-apply.ts';
import { executorOn, type HostWish } from './apply/look.ts';
import { verifyServing, waitForQuorum } from './apply/serving.ts';
import type { ClusterKeys } from './cluster-keys.ts';
import { type PlanRecord, plannedOnHost, whatChanged } from './plan/plan-record.ts';
import type { Planning } from './planning.ts';
import { restartInTurn, type Turn } from './rolling.ts';
import type { Claim } from './shared/claim.ts';

export const WHOLE = { hostId: null, host: null };

export interface ProvisioningParts extends ApplyParts {
  readonly planning: Planning;
  readonly keysOf: (clusterId: string) => ClusterKeys;
  readonly clock: () => number;
}

/** `agreed`: nothing but this plan; null: whatever is to be done. */
export interface ProvisionRequest {
  readonly cluster: StoredCluster;
  readonly agreed: PlanRecord | null;
  /** Taken before the first change. */
  readonly claim: Claim;
}

/** Throws FailureError `stalePlan`, and what is in the way on a host. Returns how many things were changed. */
export async function provisionHosts(
  parts: ProvisioningParts,
  { cluster, agreed, claim }: ProvisionRequest,
  log: CommandLog,
): Promise<number> {
  const { store, nodes } = parts;
  const { run } = claim;
  const { clusterId } = cluster;
  const members = store.listMembers(clusterId);
  const wishes = await parts.planning.wishes(cluster, members);
  run.announce([
    ...wishes.flatMap(({ host }) => hostStepsOf('present', cluster.place).map((step) => stepName(host, step))),
    { ...WHOLE, step: 'Quorum' },
    { ...WHOLE, step: 'Write and read' },
  ]);
  const isRecorded = await claim.look();
  const work = wishes.map((wish) => new HostApply(parts, wish, { run, log, fence: claim.fence }));
  await allHosts(work, (one) => one.check());
  if (agreed) refuseStale(work, agreed);
  const planned = work.reduce((sum, one) => sum + one.looked.steps.length, 0);
  await capture(parts, work);
  const keys = parts.keysOf(clusterId);
  await keys.ensure();
  if (planned > 0 || !isRecorded) await claim.take();
  await allHosts(work, async (one) => one.useKeys(await keys.ofNode(one.wish.member)));
  await allHosts(work, (one) => one.put());
  await startAll(parts, { work, clusterId, run });
  await allHosts(work, (one) => one.verify());
  await run.step({ ...WHOLE, step: 'Quorum' }, () => waitForQuorum(nodes, { clusterId }, run.signal));
  await run.step({ ...WHOLE, step: 'Write and read' }, () => verifyServing(members, keys.access(), run.signal));
  return planned;
}

function refuseStale(work: readonly HostApply[], agreed: PlanRecord): void {
  const now = work.map((one) => plannedOnHost(one.wish.host, one.looked));
  if (JSON.stringify(now) === JSON.stringify(agreed.hosts)) return;
  throw new FailureError({
    kind: 'stalePlan',
    message: `The plan ${agreed.hash} is no longer what would be done: ${whatChanged(agreed.hosts, now)}. Nothing was changed.`,
    nextStep: 'Plan again, look at what would be done now, and apply that.',
  });
}

export async function capture(parts: ProvisioningParts, work: readonly HostApply[]): Promise<void> {
  await allHosts(work, async ({ wish, looked }) => {
    const hasOurs = looked.place.roots.some((root) => looked.observed.entries.has(root));
    if (looked.steps.length === 0 || hasOurs) return;
    await takeCapture(parts.store, await executorOn(parts, wish), {
      ...captureOf(wish, looked),
      nowUnixMs: parts.clock(),
    });
  });
}

function captureOf({ host, member }: HostWish, { place, gathered }: HostApply['looked']) {
  return { hostId: host.hostId, place, home: gathered.facts.home, dataFolder: member.dataFolder };
}

/** Starts what stands, and restarts in turn what runs on something that changed. */
export async function startAll(
  parts: ProvisioningParts,
  { work, clusterId, run }: { work: readonly HostApply[]; clusterId: string; run: OperationRun },
): Promise<void> {
  const running = work.filter((one) => one.mustRestart);
  await allHosts(
    work.filter((one) => !running.includes(one)),
    (one) => one.start(),
  );
  if (running.length === 0) return;
  await waitForQuorum(parts.nodes, { clusterId }, run.signal).catch(() => undefined);
  const turns = running.map((one) => turnOf(one, () => one.start()));
  await restartInTurn(parts.nodes, { clusterId, turns }, run);
}

export function turnOf(one: HostApply, restart: () => Promise<void>): Turn {
  const { member, host } = one.wish;
  return { member, host, restart, goBack: (wasRestarted) => one.goBack(wasRestarted) };
}

/** Every node of a cluster that runs as it should, one after the other. Throws FailureError `pendingChanges`, and what restarting throws. */
export async function restartHosts(
  parts: ProvisioningParts,
  { cluster, claim }: { cluster: StoredCluster; claim: Claim },
  log: CommandLog,
): Promise<void> {
  const { clusterId } = cluster;
  const { run } = claim;
  const wishes = await parts.planning.wishes(cluster, parts.store.listMembers(clusterId));
  run.announce(
    ['Connect', 'Check host', 'Restart node', 'Level again'].flatMap((step) =>
      wishes.map(({ host }) => stepName(host, step)),
    ),
  );
  // What another console changed since would look like changes that are pending.
  await claim.look();
  const work = wishes.map((wish) => new HostApply(parts, wish, { run, log, fence: claim.fence }));
  await allHosts(work, (one) => one.check());
  const pending = work.filter((one) => one.looked.steps.length > 0).map((one) => one.wish.host.name);
  if (pending.length > 0)
    throw new FailureError({
      kind: 'pendingChanges',
      message: `Changes are pending on ${pending.join(', ')}: a restart would not leave what runs now. Nothing was restarted.`,
      nextStep: `See them with \`synod cluster plan ${cluster.name}\`, and apply them: that restarts what it must.`,
    });
  await claim.take();
  const turns = work.map((one) => turnOf(one, () => one.restart()));
  await restartInTurn(parts.nodes, { clusterId, turns }, run);
}

/** Throws FailureError `incomplete` with what is left. Members go from the store as they go from their hosts; the keys go last. */
export async function removeFromHosts(
  parts: ProvisioningParts,
  { cluster, claim }: { cluster: StoredCluster; claim: Claim },
  log: CommandLog,
): Promise<string> {
  const { store } = parts;
  const { run } = claim;
  const membersLeft = () => [...store.listMembers(cluster.clusterId), ...store.listLeaving(cluster.clusterId)];
  const wishes = membersLeft().map((member) => goneWish(parts, cluster, member));
  run.announce(wishes.flatMap(({ host }) => hostStepsOf('gone', cluster.place).map((step) => stepName(host, step))));
  const work = wishes.map((wish) => new HostApply(parts, wish, { run, log, fence: claim.fence }));
  const proofs: string[] = [];
  try {
    await allHosts(work, async (one) => {
      await one.check();
      await one.remove();
      await one.verify();
      const proof = await prove(parts, one);
      if (proof !== null) proofs.push(proof);
      store.removeMember(one.wish.member.nodeId);
    });
  } catch (error) {
    const kept = new Set(membersLeft().map((member) => member.nodeId));
    throw incomplete(
      cluster,
      await Promise.all(work.filter((one) => kept.has(one.wish.member.nodeId)).map(sayLeft)),
      error,
    );
  }
  const gone = `${cluster.name} is gone from ${wishes.length === 1 ? 'its host' : `all ${wishes.length} hosts`}.`;
  return [gone, ...proofs.toSorted()].join(' ');
}

export function goneWish(parts: ProvisioningParts, cluster: StoredCluster, member: StoredMember): HostWish {
  return {
    intent: 'gone',
    cluster,
    member,
    members: [member],
    host: parts.hosts.get(member.hostId),
    keys: null,
    seed: null,
    keepVersions: versionsOfOthers(parts, member),
  };
}

/** What the host is now beside what it was before Synod, in a sentence; null where other nodes are left or nothing is known of then. */
export async function prove(parts: ProvisioningParts, { wish, looked }: HostApply): Promise<string | null> {
  if (wish.keepVersions.length > 0) return null;
  const request = captureOf(wish, looked);
  const proof = await compareWithCapture(parts.store, await executorOn(parts, wish), request);
  if (proof === null) return null;
  forgetCapture(parts.store, wish.host.hostId);
  const since = new Date(proof.takenAtUnixMs).toISOString();
  const { name } = wish.host;
  return proof.differences.length === 0
    ? `${name} equals what it was at ${since} (${proof.compared} files, users, units and rules compared).`
    : `${name} differs from what it was at ${since} in ${proof.differences.length} of ${proof.compared}: ${proof.differences.slice(0, 5).join(', ')}.`;
}

function versionsOfOthers({ store }: ProvisioningParts, member: StoredMember): string[] {
  const others = store.listMembersOnHost(member.hostId).filter((one) => one.clusterId !== member.clusterId);
  return others.flatMap((one) => {
    const cluster = store.getCluster(one.clusterId);
    return cluster ? [cluster.runtimeVersion, cluster.releaseVersion] : [];
  });
}

/** What stands on a host now, as it was looked up. */
async function sayLeft(one: HostApply): Promise<string> {
  const { host, member, cluster } = one.wish;
  const left = await one.left();
  const where = cluster.place === 'home' ? `~/.synod/nodes/${member.nodeId}` : `/etc/synod/nodes/${member.nodeId}`;
  if (left === null) return `${host.name}: ${where} as far as known, it cannot be looked at`;
  return `${host.name}: ${left.length === 0 ? 'nothing' : left.slice(0, 10).join(', ')}`;
}

function incomplete(cluster: StoredCluster, left: readonly string[], cause: unknown): FailureError {
  const failure = failureOf(cause);
  return new FailureError(
    {
      ...failure,
      kind: 'incomplete',
      message: `${cluster.name} is not gone everywhere: ${failure.message} Left on the hosts: ${left.join('; ')}.`,
      nextStep: `${failure.nextStep} Then destroy it again: what is gone already is left alone.`,
    },
    { cause },
  );
}
