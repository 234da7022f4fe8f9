/**
 * What a host should have, one resource at a time and in the order in which it is put there, or what should be gone from it. A
 * resource is data: what is on the host (`observed-host.ts`) is compared with it by `host-plan.ts`, which gives the steps, and each
 * step is carried out by `step-script.ts`. Creating, changing and decommissioning differ only in the list.
 */
import type { NodeUnit } from '../../../../cluster-node/contract/host-layout.ts';

export const presentPhases = [
  'System user',
  'Runtime',
  'Node program',
  'Certificates',
  'Configuration',
  'Start node',
] as const;
export const absentPhases = ['Stop node', 'Remove data', 'Remove programs'] as const;
/** Steps of one phase are shown as one step of the operation. */
export type Phase = (typeof presentPhases)[number] | (typeof absentPhases)[number];

/** null as the owner: the login, whose umask and group do not matter. */
export interface Access {
  readonly owner: string | null;
  readonly group: string | null;
  /** Permission bits, such as 0o750. */
  readonly mode: number;
}

export interface FileResource {
  readonly phase: Phase;
  readonly kind: 'file';
  readonly path: string;
  readonly access: Access;
  /** null: made when the plan is applied (a certificate of a cluster that is only planned). */
  readonly content: string | null;
  /** SHA-256 of `content`, lower-case hex; null with it. */
  readonly digest: string | null;
  /** Its content is shown nowhere. */
  readonly secret: boolean;
}

export interface ShippedResource {
  readonly phase: Phase;
  readonly kind: 'shipped';
  readonly path: string;
  readonly access: Access;
  readonly source: 'runtime' | 'release' | 'seed';
  readonly digest: string;
  readonly bytes: number;
  /** It is not needed any more once there is something at this path. */
  readonly until?: string;
}

export interface ServiceResource {
  readonly phase: Phase;
  /** Kept running. */
  readonly kind: 'service';
  readonly nodeId: string;
  readonly name: string;
}

export type Resource =
  | { readonly phase: Phase; readonly kind: 'user'; readonly name: string; readonly home: string }
  | { readonly phase: Phase; readonly kind: 'folder'; readonly path: string; readonly access: Access }
  | FileResource
  | { readonly phase: Phase; readonly kind: 'link'; readonly path: string; readonly to: string }
  | ShippedResource
  | ServiceResource
  /** Stopped, and not started again by anybody. */
  | { readonly phase: Phase; readonly kind: 'noService'; readonly nodeId: string; readonly unit: NodeUnit }
  /** A file or a link of ours. */
  | { readonly phase: Phase; readonly kind: 'noFile'; readonly path: string }
  /** A folder that is Synod's alone, with all that is in it. */
  | { readonly phase: Phase; readonly kind: 'noTree'; readonly path: string }
  /** A folder that goes with the last thing in it. */
  | { readonly phase: Phase; readonly kind: 'noEmptyFolder'; readonly path: string }
  | { readonly phase: Phase; readonly kind: 'noUser'; readonly name: string };

/** What the resource is about, for people: a path, a user, a node. */
export function targetOf(resource: Resource): string {
  switch (resource.kind) {
    case 'user':
    case 'noUser':
      return `user ${resource.name}`;
    case 'service':
      return resource.name;
    case 'noService':
      return resource.nodeId;
    default:
      return resource.path;
  }
}
