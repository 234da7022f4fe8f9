/**
 * Where Synod keeps its things on a host, below the login user's home. Nothing else on the host is written.
 *
 *   ~/.synod/runtime/<version>/node                    the Node runtime, verified by digest
 *   ~/.synod/releases/<version>/synod-node.cjs         the bundled node, agent and supervisor in one file
 *   ~/.synod/nodes/<nodeId>/config.json  born.json  tls/  data/  log/node.log  run/{admin.sock,supervisor.sock}
 */
export const HOST_ROOT = '.synod';

/** Paths relative to the home folder, with `/` as separator; `version` names a folder and is [A-Za-z0-9._-]+. */
export const hostLayout = {
  runtime: (version: string) => `${HOST_ROOT}/runtime/${version}/node`,
  release: (version: string) => `${HOST_ROOT}/releases/${version}/synod-node.cjs`,
  nodes: `${HOST_ROOT}/nodes`,
  nodeDir: (nodeId: string) => `${HOST_ROOT}/nodes/${nodeId}`,
} as const;

/** Paths relative to a node's folder. */
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
