/** A look at one host: what is there, what should be, the steps between, and what forbids them. Changes nothing. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type HostPlace, hostPlace } from '../../../../cluster-node/contract/host-layout.ts';
import type { GatheredFacts } from '../../fleet/facts.ts';
import type { Hosts } from '../../fleet/hosts.ts';
import type { Privileges } from '../../fleet/privileges.ts';
import type { StoredCluster, StoredHost, StoredMember } from '../../fleet/records.ts';
import type { FleetStore } from '../../fleet/store.ts';
import { FailureError, type FailureFacts } from '../../operations/failure.ts';
import type { Executor } from '../../ssh/elevation.ts';
import { sh } from '../../ssh/shell-command.ts';
import { dataDirOf, desiredOfHost, type NodeKeyFiles, type SeedFile } from '../plan/desired.ts';
import { unfitness } from '../plan/fitness.ts';
import { type GoneInput, goneFromHost } from '../plan/gone.ts';
import { type HostStep, planHost } from '../plan/host-plan.ts';
import { type ObservedHost, parseObserved } from '../plan/observed-host.ts';
import { obstacleIn } from '../plan/obstacles.ts';
import type { Resource } from '../plan/resources.ts';
import { keptFolders } from './capture.ts';
import { type KnownDigest, observeScript } from './observe-script.ts';
import type { Shipping } from './shipped-files.ts';

export interface LookParts {
  readonly hosts: Hosts;
  readonly privileges: Privileges;
  readonly store: FleetStore;
  readonly shipping: Shipping;
}

/** What is wanted of a host for one node. */
export interface HostWish {
  readonly intent: 'present' | 'gone';
  readonly host: StoredHost;
  readonly cluster: StoredCluster;
  readonly member: StoredMember;
  readonly members: readonly StoredMember[];
  /** null: made when the plan is applied. */
  readonly keys: NodeKeyFiles | null;
  /** null: it begins empty. */
  readonly seed: SeedFile | null;
  /** Versions that nodes of other clusters on this host use. */
  readonly keepVersions: readonly string[];
}

export interface LookedHost {
  readonly place: HostPlace;
  readonly gathered: GatheredFacts;
  readonly observed: ObservedHost;
  readonly desired: readonly Resource[];
  readonly steps: readonly HostStep[];
  readonly obstacle: (FailureFacts & { host: string }) | null;
  readonly gone: GoneInput;
}

const LOOK_TIMEOUT_MS = 60_000;
const DIGESTS = 'digests';
const digestsSchema = z.array(z.object({ path: z.string(), identity: z.string(), digest: z.string() }));

/** `gathered`: facts of a moment ago. Throws SshError, FailureError. */
export async function lookAtHost(
  parts: LookParts,
  wish: HostWish,
  options: { gathered?: GatheredFacts | undefined; signal?: AbortSignal | undefined } = {},
): Promise<LookedHost> {
  const { hostId } = wish.host;
  const gathered = options.gathered ?? (await parts.hosts.gather(hostId, options.signal));
  const place = placeOf(wish.cluster, gathered.facts.home);
  const shipped = await parts.shipping.describe(gathered.facts.architecture, wish.host.name);
  const input = { ...inputOf(wish, gathered), place, shipped };
  const gone: GoneInput = {
    place,
    nodeId: wish.member.nodeId,
    clusterId: wish.cluster.clusterId,
    dataFolder: wish.member.dataFolder,
    keepVersions: wish.keepVersions,
    kept: keptFolders(parts.store, hostId),
    observed: null,
  };
  const isGone = wish.intent === 'gone';
  const asked = isGone ? goneFromHost(gone) : desiredOfHost(input);
  const known = parts.store.getDocument(DIGESTS, hostId, digestsSchema) ?? [];
  const disk = place.name === 'home' ? gathered.facts.home : '/opt';
  const script = observeScript({
    place,
    nodeId: wish.member.nodeId,
    resources: asked,
    dataDir: dataDirOf(input),
    known,
    disks: [disk, ...(wish.member.dataFolder === null ? [] : [wish.member.dataFolder])],
  });
  const executor = await executorOn(parts, wish, options.signal);
  const { stdout } = await executor.exec(sh`/bin/sh -s`, {
    stdin: script,
    timeoutMs: LOOK_TIMEOUT_MS,
    signal: options.signal,
  });
  const observed = parse(stdout, wish.host.name);
  rememberDigests(parts.store, hostId, { observed, known });
  const desired = isGone ? goneFromHost({ ...gone, observed }) : asked;
  const steps = planHost(desired, observed);
  const at = { place, home: gathered.facts.home, clusterId: wish.cluster.clusterId, nodeId: wish.member.nodeId };
  const problem =
    obstacleIn({ ...at, dataDir: dataDirOf(input), desired, observed }) ??
    (isGone
      ? null
      : unfitness({
          place: place.name,
          gathered,
          observed,
          steps,
          disk,
          dataFolder: wish.member.dataFolder,
          member: wish.member,
          isRunning: observed.services.get(wish.member.nodeId)?.hasProcess === true,
        }));
  return {
    place,
    gathered,
    observed,
    desired,
    steps,
    obstacle: problem && { ...problem, host: wish.host.name },
    gone: { ...gone, observed },
  };
}

/** The same look with other wishes: the host is not asked again. */
export async function planAgain(
  parts: Pick<LookParts, 'shipping'>,
  wish: HostWish,
  looked: LookedHost,
): Promise<LookedHost> {
  const { place, observed, gathered } = looked;
  const shipped = await parts.shipping.describe(gathered.facts.architecture, wish.host.name);
  const input = { ...inputOf(wish, gathered), place, shipped };
  const desired = desiredOfHost(input);
  return { ...looked, desired, steps: planHost(desired, observed) };
}

function inputOf(wish: HostWish, { userServices }: GatheredFacts) {
  const { cluster, member, members } = wish;
  const { dataFolder, joined } = member;
  const founders = cluster.founders.length > 0 ? cluster.founders : members;
  return { ...wish, members: founders, dataFolder, joined, userUnit: userServices, digest: sha256 };
}

export function placeOf(cluster: Pick<StoredCluster, 'place'>, home: string): HostPlace {
  return cluster.place === 'system' ? hostPlace('system') : hostPlace('home', home);
}

/** With root's rights where the place needs them. */
export async function executorOn(
  parts: Pick<LookParts, 'hosts' | 'privileges'>,
  wish: { readonly cluster: Pick<StoredCluster, 'place'>; readonly host: Pick<StoredHost, 'hostId'> },
  signal?: AbortSignal,
): Promise<Executor> {
  const { hostId } = wish.host;
  return wish.cluster.place === 'system'
    ? parts.privileges.root(hostId, signal)
    : parts.hosts.connection(hostId, signal);
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function parse(stdout: string, host: string): ObservedHost {
  try {
    return parseObserved(stdout);
  } catch (cause) {
    throw new FailureError(
      {
        kind: 'badObservation',
        host,
        command: 'sh -s (look)',
        message: `What ${host} said of its files cannot be read: ${(cause as Error).message}.`,
        nextStep: 'See whether find, stat and sha256sum work there, then run this again.',
      },
      { cause },
    );
  }
}

/** So that 120 MB need not be read at each look: the host says whether it is still the very file that was digested. */
function rememberDigests(
  store: FleetStore,
  hostId: string,
  { observed, known }: { observed: ObservedHost; known: readonly KnownDigest[] },
): void {
  const seen = [...observed.identities].map(([path, identity]) => {
    return { path, identity, digest: observed.digests.get(path) ?? '' };
  });
  if (JSON.stringify(seen) !== JSON.stringify(known)) store.putDocument(DIGESTS, hostId, seen);
}
