/**
 * Where Synod keeps its things on a host. There are two places; nothing else on the host is written.
 *
 * `home`, below the login's home folder, with no rights beyond the login:
 *   ~/.synod/runtime/<version>/node                    the Node runtime, verified by digest
 *   ~/.synod/releases/<version>/synod-node.cjs         the bundled node, agent and supervisor in one file
 *   ~/.synod/nodes/<nodeId>/config.json  born.json  tls/  data/  log/node.log  run/{admin.sock,supervisor.sock}
 *   ~/.config/systemd/user/synod-<nodeId>.service      only where the login's systemd keeps the node
 *
 * `system`, for nodes that run as the user `synod` and are kept by the host's systemd; root's but for the state:
 *   /opt/synod/{runtime,releases}/<version>/…          as above
 *   /opt/synod/nodes/<nodeId>/{runtime,release}        links to the versions that this node runs
 *   /etc/synod/nodes/<nodeId>/config.json  tls/
 *   /etc/synod/clusters/<clusterId>.json               the cluster's signed record
 *   /var/lib/synod/<nodeId>/born.json  data/           the state; data may be on another disk
 *   /var/lib/synod/locks/<clusterId>.json              who operates on the cluster at the moment
 *   /run/synod/<nodeId>/admin.sock                     made by the unit
 *   /etc/systemd/system/synod-<nodeId>.service
 */
export const HOST_ROOT = '.synod';

/** Paths relative to the home folder, with `/` as separator; `version` names a folder and is [A-Za-z0-9._-]+. */
export const hostLayout = {
  runtime: (version: string) => `${HOST_ROOT}/runtime/${version}/node`,
  release: (version: string) => `${HOST_ROOT}/releases/${version}/synod-node.cjs`,
  nodes: `${HOST_ROOT}/nodes`,
  nodeDir: (nodeId: string) => `${HOST_ROOT}/nodes/${nodeId}`,
} as const;

/** Paths relative to a node's folder in `home`. */
export const nodeLayout = {
  config: 'config.json',
  /** Which runtime and release the supervisor starts: {"runtime": path, "release": path}, absolute. */
  launch: 'launch.json',
  /** Written by the node at its first start: an empty data folder is lost data from then on. */
  birth: 'born.json',
  tlsDir: 'tls',
  dataDir: 'data',
  logFile: 'log/node.log',
  runDir: 'run',
  adminSocket: 'run/admin.sock',
  supervisorSocket: 'run/supervisor.sock',
  /** Which processes these are: pid, start time, boot. */
  supervisorPid: 'run/supervisor.json',
  nodePid: 'run/node.json',
  supervisorLock: 'run/supervisor.lock',
} as const;

export type PlaceName = 'home' | 'system';

/** The user and group of nodes in `system`. */
export const SYSTEM_USER = 'synod';

/** One node's paths, absolute. */
export interface NodePlace {
  /** Holds `config` and `tlsDir`. */
  readonly configDir: string;
  readonly config: string;
  readonly tlsDir: string;
  /** What the node may write and what must survive: `birth`, and `dataDir` unless another disk was chosen for it. */
  readonly stateDir: string;
  readonly birth: string;
  readonly dataDir: string;
  readonly runDir: string;
  readonly adminSocket: string;
  /** null: the log is in the journal. */
  readonly logFile: string | null;
  /**
   * Links to `runtime/<version>` and `releases/<version>`: an upgrade is a changed link and a restart. A unit starts what they lead to
   * (`runtime`/node, `release`/synod-node.cjs).
   */
  readonly versionLinks: { readonly dir: string; readonly runtime: string; readonly release: string };
  /** In `home` the file is there only where systemd keeps the node; else the supervisor does. */
  readonly unit: NodeUnit;
}

export interface NodeUnit {
  readonly scope: 'system' | 'user';
  /** With ".service". */
  readonly name: string;
  readonly path: string;
}

/** One place, with absolute paths. */
export interface HostPlace {
  readonly name: PlaceName;
  /** Folders that are Synod's alone: gone when nothing of it is left. */
  readonly roots: readonly string[];
  runtime(version: string): string;
  release(version: string): string;
  /** A folder for each node of this place, by its id; each is the node's `configDir`. */
  readonly nodesDir: string;
  node(nodeId: string): NodePlace;
  clusterRecord(clusterId: string): string;
  operationLock(clusterId: string): string;
}

/** `home` is the absolute path of the login's home folder. */
export function hostPlace(name: 'system'): HostPlace;
export function hostPlace(name: PlaceName, home: string): HostPlace;
export function hostPlace(name: PlaceName, home = '/'): HostPlace {
  return name === 'system' ? systemPlace : homePlace(home);
}

/** Where the data of a node goes on a disk that was chosen for it by a folder. */
export function dataDirOn(folder: string, nodeId: string): string {
  return `${folder === '/' ? '' : folder}/synod/${nodeId}/data`;
}

function homePlace(home: string): HostPlace {
  const root = `${home}/${HOST_ROOT}`;
  return {
    name: 'home',
    roots: [root],
    runtime: (version) => `${home}/${hostLayout.runtime(version)}`,
    release: (version) => `${home}/${hostLayout.release(version)}`,
    nodesDir: `${home}/${hostLayout.nodes}`,
    node: (nodeId) => {
      const dir = `${home}/${hostLayout.nodeDir(nodeId)}`;
      return {
        configDir: dir,
        config: `${dir}/${nodeLayout.config}`,
        tlsDir: `${dir}/${nodeLayout.tlsDir}`,
        stateDir: dir,
        birth: `${dir}/${nodeLayout.birth}`,
        dataDir: `${dir}/${nodeLayout.dataDir}`,
        runDir: `${dir}/${nodeLayout.runDir}`,
        adminSocket: `${dir}/${nodeLayout.adminSocket}`,
        logFile: `${dir}/${nodeLayout.logFile}`,
        versionLinks: versionLinks(dir),
        unit: { scope: 'user', ...unitIn(`${home}/.config/systemd/user`, nodeId) },
      };
    },
    clusterRecord: (clusterId) => `${root}/clusters/${clusterId}.json`,
    operationLock: (clusterId) => `${root}/locks/${clusterId}.json`,
  };
}

const systemPlace: HostPlace = {
  name: 'system',
  roots: ['/opt/synod', '/etc/synod', '/var/lib/synod', '/run/synod'],
  runtime: (version) => `/opt/synod/runtime/${version}/node`,
  release: (version) => `/opt/synod/releases/${version}/synod-node.cjs`,
  nodesDir: '/etc/synod/nodes',
  node: (nodeId) => {
    const configDir = `/etc/synod/nodes/${nodeId}`;
    const stateDir = `/var/lib/synod/${nodeId}`;
    const runDir = `/run/synod/${nodeId}`;
    return {
      configDir,
      config: `${configDir}/config.json`,
      tlsDir: `${configDir}/tls`,
      stateDir,
      birth: `${stateDir}/born.json`,
      dataDir: `${stateDir}/data`,
      runDir,
      adminSocket: `${runDir}/admin.sock`,
      logFile: null,
      versionLinks: versionLinks(`/opt/synod/nodes/${nodeId}`),
      unit: { scope: 'system', ...unitIn('/etc/systemd/system', nodeId) },
    };
  },
  clusterRecord: (clusterId) => `/etc/synod/clusters/${clusterId}.json`,
  operationLock: (clusterId) => `/var/lib/synod/locks/${clusterId}.json`,
};

function versionLinks(dir: string): NodePlace['versionLinks'] {
  return { dir, runtime: `${dir}/runtime`, release: `${dir}/release` };
}

function unitIn(folder: string, nodeId: string): { name: string; path: string } {
  const name = `synod-${nodeId}.service`;
  return { name, path: `${folder}/${name}` };
}
