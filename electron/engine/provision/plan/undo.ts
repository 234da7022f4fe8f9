/**
 * The way back, where it is safe: configuration files and version links that were replaced, by what they were. Folders, users and
 * programs that came stay, and do no harm; keys are never put back; a node's data is not touched by a plan at all.
 */
import type { HostStep } from './host-plan.ts';
import type { ObservedHost } from './observed-host.ts';

/** `seen`: the host before the steps. Empty: there is nothing to go back to. */
export function undoOf(steps: readonly HostStep[], seen: ObservedHost): HostStep[] {
  return steps
    .filter((step) => step.change === 'update')
    .flatMap(({ resource }): HostStep[] => {
      const back = { change: 'update', diff: null, why: 'the node does not come up with the new one' } as const;
      if (resource.kind === 'link') {
        const to = seen.links.get(resource.path);
        return to === undefined ? [] : [{ ...back, resource: { ...resource, to } }];
      }
      if (resource.kind !== 'file' || resource.secret) return [];
      const content = seen.contents.get(resource.path);
      const digest = seen.digests.get(resource.path) ?? null;
      return content === undefined ? [] : [{ ...back, resource: { ...resource, content, digest } }];
    });
}
