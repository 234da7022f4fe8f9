/** A cluster of one node on a host of the lab, in either place, put there as provisioning puts it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type HostPlace, type NodePlace, nodeLayout, SYSTEM_USER } from '../../cluster-node/contract/host-layout.ts';
import type { MemberAddress } from '../../cluster-node/contract/node-config.ts';
import { clientApiLeaf, createAuthority, issue, peerLeaf } from '../../electron/engine/provision/certificates.ts';
import { unitOf } from '../../electron/engine/provision/plan/unit.ts';
import { AgentClient } from '../agent/agent-client.ts';
import { buildNodeBundle } from '../fixtures/node-bundle.ts';
import { until } from '../fixtures/until.ts';
import type { LabHost } from '../lab/host.ts';

const VERSION = 'test';
const UPLOAD_TIMEOUT_MS = 120_000;

export interface InstalledNode {
  readonly host: LabHost;
  readonly place: HostPlace;
  /** In `home`: whose. */
  readonly user: string;
  readonly nodeId: string;
  /** Without: where the place has it. */
  readonly dataDir?: string;
  /** In `home`: kept by the login's systemd. */
  readonly userUnit?: boolean;
}

/** Puts all files there and does not start the node. */
export async function install(node: InstalledNode): Promise<void> {
  const tree = mkdtempSync(join(tmpdir(), 'synod-tree-'));
  try {
    await writeFiles(tree, node);
    await unpack(tree, node.host);
  } finally {
    rmSync(tree, { recursive: true });
  }
  await node.host.root(node.place.name === 'system' ? systemScript(node) : homeScript(node));
}

/** An agent as the engine starts it: over SSH by `user`, in `system` with sudo. */
export async function agentOf({ host, place, user }: InstalledNode): Promise<AgentClient> {
  const command = `${place.runtime(VERSION)} ${place.release(VERSION)} agent --place ${place.name} --interval-ms 200`;
  const elevated = place.name === 'system' ? `sudo -n ${command}` : command;
  const agent = new AgentClient(spawn('ssh', [...host.sshArguments(user), elevated]));
  await until('the hello', () => agent.messages.find(({ kind }) => kind === 'hello'), 30_000);
  return agent;
}

async function writeFiles(tree: string, { host, place, nodeId, ...options }: InstalledNode): Promise<void> {
  const node = place.node(nodeId);
  const dataDir = options.dataDir ?? node.dataDir;
  const { address } = host;
  const [clusterId, clusterName] = ['c-test0001', 'test'];
  const member: MemberAddress = { memberSlot: 1, nodeId, name: 'node-1', address, peerPort: 2380, clientPort: 2379 };
  const authority = await createAuthority(clusterId, Date.now());
  const peer = await issue(authority, peerLeaf(nodeId, address), Date.now());
  const client = await issue(authority, clientApiLeaf(nodeId, address), Date.now());
  const tls = (name: string) => `${node.tlsDir}/${name}`;
  const config = {
    formatVersion: 1,
    clusterId,
    clusterName,
    nodeId,
    members: [member],
    dataDir,
    birthFile: node.birth,
    adminSocket: node.adminSocket,
    tls: {
      ca: tls('ca.pem'),
      peerCert: tls('peer.pem'),
      peerKey: tls('peer.key'),
      client: { ca: tls('ca.pem'), cert: tls('client.pem'), key: tls('client.key') },
    },
    heartbeatMs: 50,
    electionTimeoutMs: 300,
  };
  const unit = { nodeId, nodeName: member.name, clusterName, place: node, dataDir, peerPort: 2380, clientPort: 2379 };
  const { runtime, release } = node.versionLinks;
  const launch = { runtime: `${runtime}/node`, release: `${release}/synod-node.cjs` };
  const files = {
    [tls('ca.pem')]: authority.certificate,
    [tls('peer.pem')]: peer.certificate,
    [tls('peer.key')]: peer.key,
    [tls('client.pem')]: client.certificate,
    [tls('client.key')]: client.key,
    [node.config]: JSON.stringify(config),
    ...(place.name === 'home' && { [`${node.configDir}/${nodeLayout.launch}`]: JSON.stringify(launch) }),
    ...((place.name === 'system' || options.userUnit) && { [node.unit.path]: unitOf(unit) }),
  };
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), content, { mode: 0o600 });
  }
  await writeProgram(tree, place, node);
}

async function writeProgram(tree: string, place: HostPlace, { versionLinks }: NodePlace): Promise<void> {
  const [runtime, release] = [place.runtime(VERSION), place.release(VERSION)];
  for (const path of [runtime, release, versionLinks.runtime])
    mkdirSync(dirname(join(tree, path)), { recursive: true });
  copyFileSync(process.execPath, join(tree, runtime));
  await buildNodeBundle(dirname(join(tree, release)));
  symlinkSync(`../../runtime/${VERSION}`, join(tree, versionLinks.runtime));
  symlinkSync(`../../releases/${VERSION}`, join(tree, versionLinks.release));
}

/** Folders that are there already keep their mode. */
async function unpack(tree: string, host: LabHost): Promise<void> {
  const pack = spawn('tar', ['-C', tree, '-cf', '-', '--owner=0', '--group=0', '.']);
  const unpacking = spawn('ssh', [...host.sshArguments('root'), 'tar -xf - -C / --no-overwrite-dir'], {
    timeout: UPLOAD_TIMEOUT_MS,
  });
  // A host that ends the session tells why on standard error.
  unpacking.stdin.on('error', () => pack.kill());
  pack.stdout.pipe(unpacking.stdin);
  const [said, [code]] = await Promise.all([text(unpacking.stderr), once(unpacking, 'close')]);
  if (code !== 0) throw new Error(`${host.name}: unpacking ended with ${code}: ${said}`);
}

function systemScript({ place, nodeId, dataDir }: InstalledNode): string {
  const { configDir, stateDir, unit, ...node } = place.node(nodeId);
  const data = dataDir ?? node.dataDir;
  return `set -eu
getent passwd ${SYSTEM_USER} >/dev/null || useradd --system --no-create-home --shell /usr/sbin/nologin ${SYSTEM_USER}
chmod 755 ${place.roots.join(' ')} ${place.nodesDir} 2>/dev/null || true
chown -R root:${SYSTEM_USER} ${configDir}
find ${configDir} -type d -exec chmod 750 {} + -o -exec chmod 640 {} +
mkdir -p ${stateDir} ${data}
chown ${SYSTEM_USER}:${SYSTEM_USER} ${stateDir} ${data}
chmod 700 ${stateDir} ${data}
chmod 644 ${unit.path}
systemctl daemon-reload
systemctl enable --quiet ${unit.name}
sync`;
}

function homeScript({ place, user, nodeId, userUnit = false }: InstalledNode): string {
  const { unit, dataDir } = place.node(nodeId);
  const home = dirname(place.roots[0] as string);
  const enable = `loginctl enable-linger ${user}
uid=$(id -u ${user})
until [ -S /run/user/$uid/bus ]; do sleep 0.1; done
runuser -u ${user} -- env XDG_RUNTIME_DIR=/run/user/$uid sh -c 'systemctl --user daemon-reload; systemctl --user enable --quiet ${unit.name}'`;
  return `set -eu
mkdir -p ${dataDir}
[ ! -d ${home}/.config ] || chown -R ${user}:${user} ${home}/.config
chown -R ${user}:${user} ${home}/.synod
${userUnit ? enable : ''}
sync`;
}
