/**
 * The certificates of a cluster replaced while it serves: with new keys, and with `authority` under a new authority. What each phase
 * means stands in `key-rotation.ts`; here each is put on all hosts, nodes restarted in turn, and every one seen to run in it before the
 * next begins. A phase that fails is left as it is: nodes in two neighbouring phases work together, and the next run goes on.
 */
import type { StoredCluster } from '../fleet/records.ts';
import { FailureError, failureOf } from '../operations/failure.ts';
import type { OperationRun, StepName } from '../operations/operations.ts';
import { allHosts } from './all-hosts.ts';
import type { CommandLog } from './apply/command-log.ts';
import { HostApply, stepName } from './apply/host-apply.ts';
import { verifyServing, waitForQuorum } from './apply/serving.ts';
import type { ClusterKeys } from './cluster-keys.ts';
import type { Rotation, RotationPhase } from './key-rotation.ts';
import { type ProvisioningParts, startAll, turnOf, WHOLE } from './provisioning.ts';
import { restartInTurn } from './rolling.ts';
import type { Claim } from './shared/claim.ts';

export interface RotationRequest {
  readonly cluster: StoredCluster;
  /** What is under way already goes on as it was begun. */
  readonly authority: boolean;
  /** Stop once every node trusts the new authority beside the old one, so that clients can be given their new files. */
  readonly hold: boolean;
  /** Taken before the first change. */
  readonly claim: Claim;
}

interface Work {
  readonly parts: ProvisioningParts;
  readonly cluster: StoredCluster;
  readonly keys: ClusterKeys;
  readonly run: OperationRun;
  readonly claim: Claim;
  readonly log: CommandLog;
}

const phaseNames: Readonly<Record<RotationPhase, string>> = {
  trustBoth: 'Trust both authorities',
  handOut: 'Hand out',
  renew: 'New certificates',
  forgetOld: 'Trust the new authority only',
  settle: 'Settle',
};

/** Throws FailureError `pendingChanges` with nothing changed, and what a phase throws. Returns the outcome. */
export async function rotateCertificates(
  parts: ProvisioningParts,
  { cluster, authority, hold, claim }: RotationRequest,
  log: CommandLog,
): Promise<string> {
  const keys = parts.keysOf(cluster.clusterId);
  const work = { parts, cluster, keys, run: claim.run, claim, log };
  await claim.look();
  const interrupted = await keys.rotation.current();
  if (interrupted === null) await refuseChanges(work);
  await claim.take();
  let rotation = interrupted ?? (await keys.rotation.begin({ authority }));
  for (let isFresh = interrupted === null; ; isFresh = true) {
    await keys.rotation.share(rotation);
    if (rotation.phase === 'settle') break;
    if (rotation.phase === 'handOut') {
      if (hold) return sayHeld(work);
    } else await inPhase(work, rotation, { isFresh });
    rotation = await keys.rotation.advance(rotation);
  }
  await keys.rotation.settle();
  // What was under way was less than what is asked for.
  if (authority && !rotation.authority) return rotateCertificates(parts, { cluster, authority, hold, claim }, log);
  return sayDone(work, rotation);
}

/** Whatever else is to be done on the hosts must be done first: a rotation changes nothing but certificates. */
async function refuseChanges(work: Work): Promise<void> {
  const hosts = await lookAt(work, work.run);
  const pending = hosts.filter((one) => one.looked.steps.length > 0).map((one) => one.wish.host.name);
  if (pending.length > 0) throw pendingChanges(work.cluster, pending);
}

async function inPhase(work: Work, rotation: Rotation, { isFresh }: { isFresh: boolean }): Promise<void> {
  const { cluster, parts } = work;
  const name = phaseNames[rotation.phase];
  const run = inNamesOf(work.run, name);
  try {
    const { clusterId } = cluster;
    const members = parts.store.listMembers(clusterId);
    await Promise.all(members.map((member) => work.keys.ofNode(member)));
    const hosts = await lookAt(work, run);
    const others = hosts.filter(({ looked }) => looked.steps.some((step) => !isOfCertificates(step)));
    if (others.length > 0)
      throw pendingChanges(
        cluster,
        others.map((one) => one.wish.host.name),
      );
    await allHosts(hosts, (one) => one.put());
    if (isFresh) await startAll(parts, { work: hosts, clusterId, run });
    else await restartAll(work, hosts, run);
    await allHosts(hosts, (one) => one.verify());
    await run.step({ ...WHOLE, step: 'Quorum' }, () => waitForQuorum(parts.nodes, { clusterId }, run.signal));
    const access = work.keys.access();
    await run.step({ ...WHOLE, step: 'Write and read' }, () => verifyServing(members, access, run.signal));
  } catch (error) {
    throw stopped(work, name, error);
  }
}

/**
 * After an interruption nobody knows which node was restarted since its files were changed (a host's clock tells seconds): one that
 * went on with the old would be shut out a phase later, so all are.
 */
async function restartAll(work: Work, hosts: readonly HostApply[], run: OperationRun): Promise<void> {
  const { nodes } = work.parts;
  const { clusterId } = work.cluster;
  const stands = hosts.filter((one) => serviceChange(one) === 'start');
  await allHosts(stands, (one) => one.start());
  await waitForQuorum(nodes, { clusterId }, run.signal).catch(() => undefined);
  const turns = hosts.filter((one) => !stands.includes(one)).map((one) => turnOf(one, () => one.restart()));
  await restartInTurn(nodes, { clusterId, turns }, run);
}

function serviceChange(one: HostApply): string | null {
  return one.looked.steps.find((step) => step.resource.kind === 'service')?.change ?? null;
}

function isOfCertificates({ resource }: HostApply['looked']['steps'][number]): boolean {
  return resource.phase === 'Certificates' || resource.kind === 'service';
}

async function lookAt({ parts, cluster, claim, log }: Work, run: OperationRun): Promise<HostApply[]> {
  const wishes = await parts.planning.wishes(cluster, parts.store.listMembers(cluster.clusterId));
  run.announce(['Connect', 'Check host'].flatMap((step) => wishes.map(({ host }) => stepName(host, step))));
  const hosts = wishes.map((wish) => new HostApply(parts, wish, { run, log, fence: claim.fence }));
  await allHosts(hosts, (one) => one.check());
  return hosts;
}

/** The same steps come in each phase: they are told apart by its name. */
function inNamesOf(run: OperationRun, phase: string): OperationRun {
  const named = (name: StepName) => ({ ...name, step: `${phase}: ${name.step}` });
  return {
    ...run,
    announce: (steps) => run.announce(steps.map(named)),
    step: (name, action) => run.step(named(name), action),
  };
}

function pendingChanges({ name }: StoredCluster, hosts: readonly string[]): FailureError {
  return new FailureError({
    kind: 'pendingChanges',
    message: `Other changes are pending on ${hosts.join(', ')}, and replacing certificates makes none of them. No certificate was changed.`,
    nextStep: `See them with \`synod cluster plan ${name}\`, apply them, then run this again.`,
  });
}

function stopped({ cluster, run }: Work, phase: string, cause: unknown): unknown {
  if (run.signal.aborted) return cause;
  const failure = failureOf(cause);
  return new FailureError(
    {
      ...failure,
      message: `${failure.message} The replacement of certificates stopped in "${phase}": nodes with the old ones and with the new ones work together.`,
      nextStep: `${failure.nextStep} Then run \`synod cluster rotate-certificates ${cluster.name}\` again: it goes on there.`,
    },
    { cause },
  );
}

function sayHeld({ cluster, keys }: Work): string {
  const { ca, cert, key } = keys.access();
  return `Every node of ${cluster.name} trusts the new authority beside the old one. Give clients their new files now (${ca}, ${cert}, ${key}), then run this again without --hold: the old ones are refused afterwards.`;
}

function sayDone({ cluster, keys }: Work, { authority }: Rotation): string {
  const { ca, cert, key } = keys.access();
  return authority
    ? `${cluster.name} runs on certificates of a new authority; those of the old one are refused. Clients need the files that are here now: ${ca}, ${cert}, ${key}.`
    : `${cluster.name} runs on new certificates. Clients may take theirs from ${cert} and ${key}; the old one stays valid until it expires, or until the authority is replaced.`;
}
