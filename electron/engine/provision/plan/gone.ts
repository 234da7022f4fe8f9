/**
 * What should be gone from a host when a node of a cluster leaves it: the node with its data, and with the last node also the
 * programs, the folders and the user. What other nodes of the host use stays.
 */
import { dataDirOn, type HostPlace, nodeLayout, SYSTEM_USER } from '../../../../cluster-node/contract/host-layout.ts';
import { wantsOf } from './desired.ts';
import type { ObservedHost } from './observed-host.ts';
import type { Phase, Resource } from './resources.ts';

export interface GoneInput {
  readonly place: HostPlace;
  readonly nodeId: string;
  readonly clusterId: string;
  /** A folder that was chosen for the data; null: none was. */
  readonly dataFolder: string | null;
  /** Versions that nodes of other clusters on this host use, as far as the console knows. */
  readonly keepVersions: readonly string[];
  /** Folders that were there before Synod was: they stay, empty or not. */
  readonly kept: ReadonlySet<string>;
  /** null: before the host was looked at; then only what is named by the node itself. */
  readonly observed: ObservedHost | null;
}

export function goneFromHost(input: GoneInput): Resource[] {
  return [...service(input), ...data(input), ...(input.observed ? programs(input, input.observed) : [])];
}

function service({ place, nodeId, kept }: GoneInput): Resource[] {
  const { unit } = place.node(nodeId);
  const folder = parentOf(unit.path);
  const wants = wantsOf(unit);
  const files = [wants, `${wants}.synod-new`, unit.path, `${unit.path}.synod-new`];
  const ours = unit.scope === 'system' ? [parentOf(wants)] : [parentOf(wants), ...ancestors(folder, 3)];
  return [
    { phase: 'Stop node', kind: 'noService', nodeId, unit },
    ...files.map((path): Resource => ({ phase: 'Remove data', kind: 'noFile', path })),
    ...ours.filter((path) => !kept.has(path)).map((path) => emptyFolder('Remove data', path)),
  ];
}

/** The folder and those above it, `count` in all, from the inside out. */
function ancestors(folder: string, count: number): string[] {
  return count === 0 ? [] : [folder, ...ancestors(parentOf(folder), count - 1)];
}

function data({ place, nodeId, clusterId, dataFolder }: GoneInput): Resource[] {
  const node = place.node(nodeId);
  const trees = new Set([node.configDir, node.stateDir, node.runDir]);
  if (place.name === 'system') trees.add(node.versionLinks.dir);
  const inside = [...trees].filter((path) => ![...trees].some((other) => path.startsWith(`${other}/`)));
  const chosen = dataFolder === null ? null : parentOf(parentOf(dataDirOn(dataFolder, nodeId)));
  return [
    ...inside.map((path): Resource => ({ phase: 'Remove data', kind: 'noTree', path })),
    { phase: 'Remove data', kind: 'noTree', path: `${place.nodesDir}/.removing-${nodeId}` },
    ...[place.clusterRecord(clusterId), place.operationLock(clusterId)].flatMap((path): Resource[] => [
      { phase: 'Remove data', kind: 'noFile', path },
      { phase: 'Remove data', kind: 'noFile', path: `${path}.synod-new` },
    ]),
    ...(chosen === null
      ? []
      : ([
          { phase: 'Remove data', kind: 'noTree', path: `${chosen}/${nodeId}` },
          emptyFolder('Remove data', chosen),
        ] satisfies Resource[])),
  ];
}

function programs(input: GoneInput, observed: ObservedHost): Resource[] {
  const { place, nodeId } = input;
  const used = usedVersions(input, observed);
  const families = [parentOf(parentOf(place.runtime('v'))), parentOf(parentOf(place.release('v')))];
  const files = [nameOf(place.runtime('v')), nameOf(place.release('v'))];
  const versions = families.flatMap((family, at) =>
    childrenOf(family, observed)
      .filter((folder) => !used.has(nameOf(folder)) && observed.entries.get(folder)?.type === 'folder')
      .flatMap((folder): Resource[] => [
        ...['', '.part'].map(
          (end): Resource => ({ phase: 'Remove programs', kind: 'noFile', path: `${folder}/${files[at]}${end}` }),
        ),
        emptyFolder('Remove programs', folder),
      ]),
  );
  const record = parentOf(place.clusterRecord('c'));
  const lock = parentOf(place.operationLock('c'));
  const folders = new Set([
    ...families,
    place.nodesDir,
    parentOf(place.node(nodeId).versionLinks.dir),
    record,
    lock,
    ...place.roots,
  ]);
  const inside = [...folders].filter((path) =>
    place.roots.some((root) => path === root || path.startsWith(`${root}/`)),
  );
  const hasOthers = otherNodes(input, observed).length > 0 || input.keepVersions.length > 0;
  return [
    ...versions,
    ...inside.toSorted((a, b) => b.length - a.length).map((path) => emptyFolder('Remove programs', path)),
    ...(place.name === 'system' && !hasOthers
      ? [{ phase: 'Remove programs', kind: 'noUser', name: SYSTEM_USER } as const]
      : []),
  ];
}

/** Nodes of this place other than the one that goes, by their folders. */
export function otherNodes({ place, nodeId }: Pick<GoneInput, 'place' | 'nodeId'>, observed: ObservedHost): string[] {
  return childrenOf(place.nodesDir, observed)
    .map(nameOf)
    .filter((name) => /^n-[a-z0-9]{8}$/.test(name) && name !== nodeId);
}

function usedVersions(input: GoneInput, observed: ObservedHost): Set<string> {
  const { place, keepVersions } = input;
  const told = otherNodes(input, observed).flatMap((other) => {
    const { configDir, versionLinks } = place.node(other);
    const launch = observed.contents.get(`${configDir}/${nodeLayout.launch}`) ?? '';
    const links = [versionLinks.runtime, versionLinks.release].map((link) => observed.links.get(link) ?? '');
    return [...[...launch.matchAll(/\/([^/"]+)\/[^/"]+"/g)].map((found) => found[1] ?? ''), ...links.map(nameOf)];
  });
  return new Set([...keepVersions, ...told]);
}

/** What is left of Synod, as far as it should be gone; paths. */
export function residueIn(input: GoneInput, observed: ObservedHost): string[] {
  const { place, nodeId } = input;
  const isAlone = otherNodes(input, observed).length === 0 && input.keepVersions.length === 0;
  const mine = isAlone ? place.roots : [place.node(nodeId).configDir, place.node(nodeId).stateDir];
  const left = [...observed.entries.keys()].filter((path) =>
    mine.some((own) => path === own || path.startsWith(`${own}/`)),
  );
  const services = observed.services.get(nodeId)?.hasProcess ? [`a process of ${nodeId}`] : [];
  return [...left, ...services];
}

function childrenOf(folder: string, observed: ObservedHost): string[] {
  return [...observed.entries.keys()].filter(
    (path) => path.startsWith(`${folder}/`) && !path.slice(folder.length + 1).includes('/'),
  );
}

function emptyFolder(phase: Phase, path: string): Resource {
  return { phase, kind: 'noEmptyFolder', path };
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
