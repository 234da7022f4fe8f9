/**
 * From what a host should have and what was seen there to the steps between the two, in order. Pure: the same input gives the same
 * steps, and where everything is as it should be there are none. What is not ours is never a step: it is an obstacle
 * (`obstacles.ts`), and a plan with an obstacle is not applied.
 */
import { lineDiff } from './line-diff.ts';
import type { ObservedEntry, ObservedHost } from './observed-host.ts';
import { type Access, type FileResource, type Resource, type ServiceResource, targetOf } from './resources.ts';

export type Change = 'create' | 'update' | 'remove' | 'start' | 'restart' | 'stop';

export interface HostStep {
  readonly resource: Resource;
  readonly change: Change;
  /** What of it changes: lines, modes, digests; secrets only as digests. null: there is nothing more to say. */
  readonly diff: string | null;
  readonly why: string;
}

/** Steps in the order in which they are to be carried out. */
export function planHost(desired: readonly Resource[], observed: ObservedHost): HostStep[] {
  const steps: HostStep[] = [];
  for (const resource of desired) {
    const step = stepFor(resource, observed, { desired, before: steps });
    if (step !== null) steps.push({ resource, ...step });
  }
  return steps;
}

type Found = Omit<HostStep, 'resource'>;

function stepFor(
  resource: Resource,
  seen: ObservedHost,
  { desired, before }: { desired: readonly Resource[]; before: readonly HostStep[] },
): Found | null {
  switch (resource.kind) {
    case 'user':
      return seen.users.has(resource.name) ? null : { change: 'create', diff: null, why: 'there is no such user' };
    case 'folder':
      return folderStep(resource, seen);
    case 'file':
      return fileStep(resource, seen);
    case 'link':
      return linkStep(resource, seen);
    case 'shipped':
      return shippedStep(resource, seen);
    case 'service':
      return serviceStep(resource, seen, { desired, before });
    case 'noService':
      return seen.services.get(resource.nodeId)?.hasProcess
        ? { change: 'stop', diff: null, why: 'it runs, and is to be removed' }
        : null;
    case 'noUser':
      return seen.users.has(resource.name)
        ? { change: 'remove', diff: null, why: 'no node of this host needs it any more' }
        : null;
    case 'noFile':
    case 'noTree':
      return seen.entries.has(resource.path) ? { change: 'remove', diff: null, why: 'it is to be removed' } : null;
    case 'noEmptyFolder':
      return emptiesWith(resource.path, seen, before)
        ? { change: 'remove', diff: null, why: 'nothing is left in it then' }
        : null;
  }
}

function folderStep(resource: { path: string; access: Access }, seen: ObservedHost): Found | null {
  const entry = seen.entries.get(resource.path);
  const wanted = sayAccess(resource.access);
  if (!entry) return { change: 'create', diff: `+ ${wanted}`, why: 'it is not there' };
  return accessStep(entry, resource.access, seen);
}

function accessStep(entry: ObservedEntry, access: Access, seen: ObservedHost): Found | null {
  if (hasAccess(entry, access, seen)) return null;
  const is = sayAccess({ owner: access.owner === null ? null : entry.owner, group: entry.group, mode: entry.mode });
  return { change: 'update', diff: `- ${is}\n+ ${sayAccess(access)}`, why: 'its owner or mode is another' };
}

function hasAccess(entry: ObservedEntry, access: Access, seen: ObservedHost): boolean {
  const isOwner = entry.owner === (access.owner ?? seen.login.name);
  return isOwner && (access.group === null || entry.group === access.group) && entry.mode === access.mode;
}

function sayAccess({ owner, group, mode }: Access): string {
  const octal = mode.toString(8).padStart(4, '0');
  return owner === null ? octal : `${owner}:${group} ${octal}`;
}

function fileStep(resource: FileResource, seen: ObservedHost): Found | null {
  const { path, content, digest, secret, access } = resource;
  const entry = seen.entries.get(path);
  const is = seen.digests.get(path) ?? null;
  if (entry && digest !== null && is === digest) return accessStep(entry, access, seen);
  if (!entry)
    return { change: 'create', diff: secret ? newDigest(digest) : lineDiff('', content ?? ''), why: 'it is not there' };
  const diff = secret
    ? `- ${sayDigest(is)}\n${newDigest(digest)}`
    : lineDiff(seen.contents.get(path) ?? '', content ?? '');
  return { change: 'update', diff, why: 'its content is another' };
}

function newDigest(digest: string | null): string {
  return digest === null ? '+ made when this is applied' : `+ ${sayDigest(digest)}`;
}

function sayDigest(digest: string | null): string {
  return digest === null ? 'unreadable' : `sha256 ${digest.slice(0, 16)}…`;
}

function linkStep(resource: { path: string; to: string }, seen: ObservedHost): Found | null {
  const is = seen.links.get(resource.path);
  if (is === resource.to) return null;
  if (is === undefined) return { change: 'create', diff: `+ → ${resource.to}`, why: 'it is not there' };
  return { change: 'update', diff: `- → ${is}\n+ → ${resource.to}`, why: 'it leads elsewhere' };
}

function shippedStep(resource: Extract<Resource, { kind: 'shipped' }>, seen: ObservedHost): Found | null {
  if (resource.until !== undefined && seen.entries.has(resource.until)) return null;
  const entry = seen.entries.get(resource.path);
  const is = seen.digests.get(resource.path) ?? null;
  const size = `${Math.round(resource.bytes / 2 ** 20)} MiB`;
  if (!entry) return { change: 'create', diff: `+ ${size}, ${sayDigest(resource.digest)}`, why: 'it is not there' };
  if (is === resource.digest) return accessStep(entry, resource.access, seen);
  return { change: 'update', diff: `- ${sayDigest(is)}\n+ ${sayDigest(resource.digest)}`, why: 'it is damaged' };
}

/** What a running node was started with: when one of these changes, it goes on with the old until it is started again. */
const startedWith: ReadonlySet<Resource['kind']> = new Set(['file', 'link', 'shipped']);

/** A clock read on a host and one of its file system may differ by so much, seconds. */
const SAME_MOMENT = 1;

function serviceStep(
  resource: ServiceResource,
  seen: ObservedHost,
  { desired, before }: { desired: readonly Resource[]; before: readonly HostStep[] },
): Found | null {
  const service = seen.services.get(resource.nodeId);
  if (service?.isRunning !== true) return { change: 'start', diff: null, why: 'it does not run' };
  const changing = before.filter((step) => startedWith.has(step.resource.kind)).map(targetOfStep);
  if (changing.length > 0)
    return { change: 'restart', diff: null, why: `what it runs on changes: ${changing.join(', ')}` };
  // A run that was cut short after it had put files in place: the node still goes on with what was there before.
  const startedAt = service.startedAt ?? Number.POSITIVE_INFINITY;
  const newer = desired.filter(
    (one) => startedWith.has(one.kind) && (seen.entries.get(targetOf(one))?.changedAt ?? 0) > startedAt + SAME_MOMENT,
  );
  if (newer.length > 0)
    return {
      change: 'restart',
      diff: null,
      why: `it was started before these changed: ${newer.map(targetOf).join(', ')}`,
    };
  if (service.needsReload) return { change: 'restart', diff: null, why: 'its unit was changed since it was started' };
  return null;
}

export function targetOfStep(step: HostStep): string {
  return targetOf(step.resource);
}

/** Whether all that was seen in the folder goes with the steps before. */
function emptiesWith(folder: string, seen: ObservedHost, before: readonly HostStep[]): boolean {
  if (seen.entries.get(folder)?.type !== 'folder') return false;
  const gone = new Set(before.filter((step) => step.change === 'remove').map(targetOfStep));
  for (const path of seen.entries.keys()) {
    const isChild = path.startsWith(`${folder}/`) && !path.slice(folder.length + 1).includes('/');
    if (isChild && !gone.has(path)) return false;
  }
  return true;
}
