/**
 * What on a host forbids to carry out a plan. Nothing that is not ours is ever overwritten, followed through a link, or removed: it
 * is named, with what to do about it.
 */
import { z } from 'zod';
import type { HostPlace } from '../../../../cluster-node/contract/host-layout.ts';
import type { ObservedHost } from './observed-host.ts';
import type { Resource } from './resources.ts';

export interface Obstacle {
  readonly kind: 'foreignFiles' | 'foreignData' | 'foreignUser';
  readonly message: string;
  readonly nextStep: string;
}

export interface ObstacleInput {
  readonly place: HostPlace;
  /** Of the login; for people, paths below it begin with `~`. */
  readonly home: string;
  readonly clusterId: string;
  readonly nodeId: string;
  readonly dataDir: string;
  readonly desired: readonly Resource[];
  readonly observed: ObservedHost;
}

/** Folders and names that Synod makes itself, by root. */
const ownNames = /^(runtime|releases|nodes|clusters|locks|n-[a-z0-9]{8}|\.removing-n-[a-z0-9]{8})$/;
const NAMED_AT_MOST = 5;

/** The first thing in the way; null: nothing. */
export function obstacleIn(input: ObstacleInput): Obstacle | null {
  const strangers = [...strangersIn(input), ...misplaced(input)];
  if (strangers.length > 0)
    return foreign([...new Set(strangers)].slice(0, NAMED_AT_MOST).map((path) => shownPath(path, input.home)));
  return dataObstacle(input) ?? unitObstacle(input) ?? userObstacle(input);
}

/** `~/…` for what is below the login's home. */
export function shownPath(path: string, home: string): string {
  return home !== '/' && path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

function strangersIn({ place, observed }: ObstacleInput): string[] {
  return [...observed.entries].flatMap(([path, entry]) => {
    if (place.roots.includes(path)) return entry.type === 'folder' ? [] : [path];
    const root = place.roots.find((one) => path.startsWith(`${one}/`));
    const name = root === undefined ? '' : path.slice(root.length + 1);
    if (root === undefined || name.includes('/')) return [];
    return ownNames.test(name) && entry.type === 'folder' ? [] : [path];
  });
}

const wantedTypes: Partial<Record<Resource['kind'], string>> = {
  folder: 'folder',
  file: 'file',
  shipped: 'file',
  link: 'link',
  noTree: 'folder',
  noEmptyFolder: 'folder',
};

/** Something else, or somebody else's, where a thing of ours is or should be. */
function misplaced({ place, desired, observed }: ObstacleInput): string[] {
  return desired.flatMap((resource) => {
    const wanted = wantedTypes[resource.kind];
    if (!('path' in resource) || wanted === undefined) return [];
    const entry = observed.entries.get(resource.path);
    if (!entry) return [];
    const isOurs = place.name === 'system' || entry.owner === observed.login.name;
    return entry.type === wanted && isOurs ? [] : [resource.path];
  });
}

const configIdentitySchema = z.object({ clusterId: z.string(), nodeId: z.string() });

function dataObstacle(input: ObstacleInput): Obstacle | null {
  const { place, clusterId, nodeId, observed, dataDir } = input;
  const { config, configDir } = place.node(nodeId);
  const text = observed.contents.get(config);
  const isRemoval = input.desired.some((one) => one.kind === 'noTree');
  const found = text === undefined ? null : identityIn(text);
  const isOther = found !== null && (found.clusterId !== clusterId || found.nodeId !== nodeId);
  // What is to be removed may well be damaged; what is to be run on may not.
  const isUnclear =
    !isRemoval && ((text !== undefined && found === null) || (text === undefined && observed.filled.has(dataDir)));
  if (!isOther && !isUnclear) return null;
  const where = shownPath(text === undefined ? dataDir : configDir, input.home);
  const owner = found === null ? 'an unknown cluster' : `the cluster ${found.clusterId}`;
  return {
    kind: 'foreignData',
    message: `${where} holds data of ${owner}, not of ${clusterId}; nothing was changed.`,
    nextStep: `Look at what is in ${where}. Move it away if nobody needs it there, then run this again.`,
  };
}

function identityIn(text: string): z.infer<typeof configIdentitySchema> | null {
  try {
    return configIdentitySchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

function unitObstacle({ place, nodeId, observed, home }: ObstacleInput): Obstacle | null {
  const { unit } = place.node(nodeId);
  const text = observed.contents.get(unit.path);
  return text === undefined || text.includes(nodeId) ? null : foreign([shownPath(unit.path, home)]);
}

function userObstacle({ desired, observed }: ObstacleInput): Obstacle | null {
  const wanted = desired.find((one) => one.kind === 'user');
  const user = wanted && observed.users.get(wanted.name);
  if (!user || /\/(nologin|false)$/.test(user.shell)) return null;
  return {
    kind: 'foreignUser',
    message: `There is a user ${wanted.name} who can log in (shell ${user.shell}): somebody else's. Nothing was changed.`,
    nextStep: `See what it is for (\`getent passwd ${wanted.name}\`). Remove or rename it, or use the home place.`,
  };
}

function foreign(paths: readonly string[]): Obstacle {
  return {
    kind: 'foreignFiles',
    message: `There is something that Synod did not put there where its own things would go: ${paths.join(', ')}. Nothing was changed.`,
    nextStep: 'Move or remove it if nobody needs it there, then run this again.',
  };
}
