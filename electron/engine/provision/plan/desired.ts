/** What a host should have for one node of a cluster, from the first folder to the running service. */
import {
  dataDirOn,
  type HostPlace,
  type NodeUnit,
  nodeLayout,
  SYSTEM_USER,
} from '../../../../cluster-node/contract/host-layout.ts';
import {
  type MemberAddress,
  type NodeConfig,
  nodeConfigSchema,
} from '../../../../cluster-node/contract/node-config.ts';
import type { Access, FileResource, Phase, Resource } from './resources.ts';
import { unitOf } from './unit.ts';

export interface DesiredInput {
  readonly place: HostPlace;
  readonly cluster: {
    readonly clusterId: string;
    readonly name: string;
    readonly runtimeVersion: string;
    readonly releaseVersion: string;
    readonly heartbeatMs: number;
    readonly electionTimeoutMs: number;
  };
  readonly member: MemberAddress;
  /** The voters that the cluster began with. */
  readonly members: readonly MemberAddress[];
  /** null: one of those. */
  readonly joined: { readonly contacts: readonly MemberAddress[] } | null;
  /** A folder that was chosen for the data; null: the place's own. */
  readonly dataFolder: string | null;
  /** In the home place: the login's own systemd is to start the node with the host. */
  readonly userUnit: boolean;
  readonly shipped: Readonly<Record<'runtime' | 'release', { readonly digest: string; readonly bytes: number }>>;
  /** The snapshot that a restored cluster begins with; null: it begins empty. */
  readonly seed: SeedFile | null;
  /** null: the cluster's keys are made when the plan is applied. */
  readonly keys: NodeKeyFiles | null;
  /** SHA-256 as lower-case hex. */
  readonly digest: (text: string) => string;
}

export interface SeedFile {
  readonly slot: number;
  /** SHA-256 as lower-case hex. */
  readonly sha256: string;
  readonly bytes: number;
  /** Every first member has begun with it. */
  readonly isPlanted: boolean;
}

export interface NodeKeyFiles {
  readonly authority: string;
  readonly peer: { readonly certificate: string; readonly key: string };
  readonly client: { readonly certificate: string; readonly key: string };
}

/** Where the node's data go. */
export function dataDirOf(input: Pick<DesiredInput, 'place' | 'member' | 'dataFolder'>): string {
  const { place, member, dataFolder } = input;
  return dataFolder === null ? place.node(member.nodeId).dataDir : dataDirOn(dataFolder, member.nodeId);
}

export function desiredOfHost(input: DesiredInput): Resource[] {
  return input.place.name === 'home' ? homeResources(input) : systemResources(input);
}

const login = (mode: number): Access => ({ owner: null, group: null, mode });
const root = (mode: number): Access => ({ owner: 'root', group: 'root', mode });
/** Read by the node's user, written by root alone. */
const shared = (mode: number): Access => ({ owner: 'root', group: SYSTEM_USER, mode });
const own = (mode: number): Access => ({ owner: SYSTEM_USER, group: SYSTEM_USER, mode });

function homeResources(input: DesiredInput): Resource[] {
  const { place, cluster, member } = input;
  const node = place.node(member.nodeId);
  const launch = { runtime: place.runtime(cluster.runtimeVersion), release: place.release(cluster.releaseVersion) };
  const configuration = (path: string, access: Access): Resource => folder('Configuration', path, access);
  return [
    ...programs(input, login),
    folder('Certificates', place.nodesDir, login(0o700)),
    folder('Certificates', node.configDir, login(0o700)),
    folder('Certificates', node.tlsDir, login(0o700)),
    ...certificates(input, login(0o600)),
    ...dataFolders(input, login),
    configuration(`${node.configDir}/log`, login(0o700)),
    configuration(node.runDir, login(0o700)),
    ...seed(input, login(0o600)),
    file(input, { path: `${node.configDir}/${nodeLayout.launch}`, access: login(0o600), content: json(launch) }),
    ...(input.userUnit ? [...versionLinks(input), ...unit(input, login(0o644))] : []),
    // Last: a folder with a configuration is complete.
    file(input, { path: node.config, access: login(0o600), content: json(nodeConfigOf(input)) }),
    service(member),
  ];
}

function systemResources(input: DesiredInput): Resource[] {
  const { place, member } = input;
  const node = place.node(member.nodeId);
  const [, etc = '', state = ''] = place.roots;
  return [
    { phase: 'System user', kind: 'user', name: SYSTEM_USER, home: state },
    ...programs(input, root),
    folder('Certificates', etc, root(0o755)),
    folder('Certificates', place.nodesDir, root(0o755)),
    folder('Certificates', node.configDir, shared(0o750)),
    folder('Certificates', node.tlsDir, shared(0o750)),
    ...certificates(input, shared(0o640)),
    folder('Configuration', state, root(0o755)),
    folder('Configuration', node.stateDir, own(0o700)),
    ...dataFolders(input, own),
    // Root's, in a folder of the node: it is read and removed by the node.
    ...seed(input, root(0o644)),
    folder('Configuration', parentOf(node.versionLinks.dir), root(0o755)),
    folder('Configuration', node.versionLinks.dir, root(0o755)),
    ...versionLinks(input),
    file(input, { path: node.config, access: shared(0o640), content: json(nodeConfigOf(input)) }),
    folder('Configuration', parentOf(wantsOf(node.unit)), root(0o755)),
    ...unit(input, root(0o644)),
    service(member),
  ];
}

function versionLinks({ place, cluster, member }: DesiredInput): Resource[] {
  const { runtime, release } = place.node(member.nodeId).versionLinks;
  return [
    link(runtime, parentOf(place.runtime(cluster.runtimeVersion))),
    link(release, parentOf(place.release(cluster.releaseVersion))),
  ];
}

/** The unit, and the link by which it starts with the host. */
function unit(input: DesiredInput, access: Access): Resource[] {
  const { place, cluster, member } = input;
  const { nodeId, name: nodeName, peerPort, clientPort } = member;
  const node = place.node(nodeId);
  const names = { nodeId, nodeName, clusterName: cluster.name };
  const content = unitOf({ ...names, place: node, dataDir: dataDirOf(input), peerPort, clientPort });
  return [file(input, { path: node.unit.path, access, content }), link(wantsOf(node.unit), node.unit.path)];
}

/** The two large files, each in the folder of its version. */
function programs({ place, cluster, shipped }: DesiredInput, access: (mode: number) => Access): Resource[] {
  const [top = ''] = place.roots;
  const mode = place.name === 'home' ? 0o700 : 0o755;
  const one = (phase: Phase, source: 'runtime' | 'release', path: string, fileMode: number): Resource[] => [
    folder(phase, parentOf(parentOf(path)), access(mode)),
    folder(phase, parentOf(path), access(mode)),
    { phase, kind: 'shipped', path, access: access(fileMode), source, ...shipped[source] },
  ];
  return [
    folder('Runtime', top, access(mode)),
    ...one('Runtime', 'runtime', place.runtime(cluster.runtimeVersion), 0o755),
    ...one('Node program', 'release', place.release(cluster.releaseVersion), 0o644),
  ];
}

function certificates(input: DesiredInput, access: Access): FileResource[] {
  const { tlsDir } = input.place.node(input.member.nodeId);
  const { keys } = input;
  const one = (name: string, content: string | null): FileResource => ({
    ...file(input, { path: `${tlsDir}/${name}`, access, content }),
    phase: 'Certificates',
    secret: true,
  });
  return [
    one('ca.pem', keys?.authority ?? null),
    one('peer.pem', keys?.peer.certificate ?? null),
    one('peer.key', keys?.peer.key ?? null),
    one('client.pem', keys?.client.certificate ?? null),
    one('client.key', keys?.client.key ?? null),
  ];
}

/** Needed until the node has run once. */
function seed({ place, member, seed: wanted }: DesiredInput, access: Access): Resource[] {
  if (wanted === null || wanted.isPlanted) return [];
  const { birth } = place.node(member.nodeId);
  const { sha256: digest, bytes } = wanted;
  const path = seedPath(place, member.nodeId);
  return [{ phase: 'Configuration', kind: 'shipped', path, access, source: 'seed', digest, bytes, until: birth }];
}

function seedPath(place: HostPlace, nodeId: string): string {
  return `${place.node(nodeId).stateDir}/seed.snapshot`;
}

function dataFolders(input: DesiredInput, access: (mode: number) => Access): Resource[] {
  const { dataFolder, member, place } = input;
  if (dataFolder === null) return [folder('Configuration', place.node(member.nodeId).dataDir, access(0o700))];
  const dataDir = dataDirOn(dataFolder, member.nodeId);
  const shell = place.name === 'home' ? login(0o700) : root(0o755);
  return [
    folder('Configuration', parentOf(parentOf(dataDir)), shell),
    folder('Configuration', parentOf(dataDir), access(0o700)),
    folder('Configuration', dataDir, access(0o700)),
  ];
}

function nodeConfigOf(input: DesiredInput): NodeConfig {
  const { place, cluster, member, members, joined } = input;
  const node = place.node(member.nodeId);
  const below = (path: string) =>
    path.startsWith(`${node.configDir}/`) ? path.slice(node.configDir.length + 1) : path;
  const tls = (name: string) => below(`${node.tlsDir}/${name}`);
  return nodeConfigSchema.parse({
    formatVersion: 1,
    clusterId: cluster.clusterId,
    clusterName: cluster.name,
    nodeId: member.nodeId,
    members,
    ...(joined && { joining: member, contacts: joined.contacts }),
    dataDir: below(dataDirOf(input)),
    birthFile: below(node.birth),
    adminSocket: below(node.adminSocket),
    ...(input.seed && {
      seed: { file: below(seedPath(place, member.nodeId)), slot: input.seed.slot, sha256: input.seed.sha256 },
    }),
    tls: {
      ca: tls('ca.pem'),
      peerCert: tls('peer.pem'),
      peerKey: tls('peer.key'),
      client: { ca: tls('ca.pem'), cert: tls('client.pem'), key: tls('client.key') },
    },
    heartbeatMs: cluster.heartbeatMs,
    electionTimeoutMs: cluster.electionTimeoutMs,
  });
}

function file(
  { digest }: DesiredInput,
  { path, access, content }: { path: string; access: Access; content: string | null },
): FileResource {
  const known = content === null ? null : digest(content);
  return { phase: 'Configuration', kind: 'file', path, access, content, digest: known, secret: false };
}

function folder(phase: Phase, path: string, access: Access): Resource {
  return { phase, kind: 'folder', path, access };
}

function link(path: string, to: string): Resource {
  return { phase: 'Configuration', kind: 'link', path, to };
}

function service({ nodeId, name }: MemberAddress): Resource {
  return { phase: 'Start node', kind: 'service', nodeId, name };
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** What `systemctl enable` makes. */
export function wantsOf(unit: NodeUnit): string {
  const target = unit.scope === 'system' ? 'multi-user' : 'default';
  return `${parentOf(unit.path)}/${target}.target.wants/${unit.name}`;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}
