/**
 * The text of a node's systemd unit. The same node always gets the same text. Options that an older systemd does not know are
 * ignored by it with a line in the journal; everything here is known to systemd 247 and later.
 */
import { restartIsFutile } from '../../../../cluster-node/contract/exit-codes.ts';
import { type NodePlace, SYSTEM_USER } from '../../../../cluster-node/contract/host-layout.ts';

export interface UnitInput {
  readonly nodeId: string;
  readonly clusterName: string;
  readonly nodeName: string;
  readonly place: NodePlace;
  /** Where the data is, if not in `place.dataDir`. */
  readonly dataDir: string;
  readonly peerPort: number;
  readonly clientPort: number;
}

export function unitOf(node: UnitInput): string {
  return node.place.unit.scope === 'system' ? systemUnit(node) : userUnit(node);
}

const FIRST_UNPRIVILEGED_PORT = 1024;

/** The node itself, kept by the host's systemd. */
function systemUnit(node: UnitInput): string {
  const { place, dataDir } = node;
  const needsLowPort = Math.min(node.peerPort, node.clientPort) < FIRST_UNPRIVILEGED_PORT;
  const capabilities = needsLowPort ? 'CAP_NET_BIND_SERVICE' : '';
  const writable = dataDir.startsWith(`${place.stateDir}/`) ? [place.stateDir] : [place.stateDir, dataDir];
  return unitText({
    Unit: [
      ...heading(node),
      // Members are reached by address, and ports are opened on one of this host's: it must be there.
      ['Wants', 'network-online.target'],
      ['After', 'network-online.target'],
      ['RequiresMountsFor', [place.configDir, ...writable].map(quoted).join(' ')],
      // Never given up for failing, because what ends nodes from outside passes: with RestartSec=1 this is not reached. It bounds what
      // scripts and other units may do.
      ['StartLimitIntervalSec', '10'],
      ['StartLimitBurst', '20'],
    ],
    Service: [
      ['Type', 'notify'],
      // The node speaks through a child of its own.
      ['NotifyAccess', 'all'],
      ['ExecStart', `${programOf(place)} run --config ${inCommand(place.config)}`],
      ['User', SYSTEM_USER],
      ['Group', SYSTEM_USER],
      ['UMask', '0077'],
      ['RuntimeDirectory', `synod/${node.nodeId}`],
      ['RuntimeDirectoryMode', '0700'],
      ['ReadWritePaths', writable.map(quoted).join(' ')],
      ['Restart', 'always'],
      ['RestartSec', '1'],
      ['RestartPreventExitStatus', [...restartIsFutile].join(' ')],
      // The node asks for more while it reads a long log.
      ['TimeoutStartSec', '60'],
      ['TimeoutStopSec', '10'],
      ['WatchdogSec', '30'],
      // SIGTERM is for the node alone: the child by which it speaks must outlive its farewell.
      ['KillMode', 'mixed'],
      ['LimitNOFILE', '65536'],
      // A core holds keys and everybody's values.
      ['LimitCORE', '0'],
      ['TasksMax', '256'],
      ['OOMScoreAdjust', '-500'],
      ['LogRateLimitIntervalSec', '30'],
      ['LogRateLimitBurst', '2000'],
      ...hardening(capabilities),
    ],
    Install: [['WantedBy', 'multi-user.target']],
  });
}

/**
 * MemoryDenyWriteExecute is absent on purpose: V8 compiles to machine code at run time and dies without pages that are written and then
 * executed. PrivateUsers would take the capability for low ports away, ProcSubset the memory's size out of /proc/meminfo.
 */
function hardening(capabilities: string): readonly Setting[] {
  return [
    ['CapabilityBoundingSet', capabilities],
    ['AmbientCapabilities', capabilities],
    ['NoNewPrivileges', 'yes'],
    ['ProtectSystem', 'strict'],
    ['ProtectHome', 'yes'],
    ['PrivateTmp', 'yes'],
    ['PrivateDevices', 'yes'],
    ['ProtectClock', 'yes'],
    ['ProtectHostname', 'yes'],
    ['ProtectKernelLogs', 'yes'],
    ['ProtectKernelModules', 'yes'],
    ['ProtectKernelTunables', 'yes'],
    ['ProtectControlGroups', 'yes'],
    ['ProtectProc', 'invisible'],
    ['RestrictAddressFamilies', 'AF_UNIX AF_INET AF_INET6'],
    ['RestrictNamespaces', 'yes'],
    ['RestrictRealtime', 'yes'],
    ['RestrictSUIDSGID', 'yes'],
    ['LockPersonality', 'yes'],
    ['RemoveIPC', 'yes'],
    ['KeyringMode', 'private'],
    ['SystemCallArchitectures', 'native'],
    // What a network service in C or in Node asks for, threads, JIT and io_uring included; refused with an error, not by death, because
    // libuv tries newer calls first and falls back.
    ['SystemCallFilter', '@system-service'],
    ['SystemCallFilter', '~@privileged @resources'],
    ['SystemCallErrorNumber', 'EPERM'],
  ];
}

/** The supervisor, which keeps the node as it does without systemd: started with the host, and again when it dies. */
function userUnit(node: UnitInput): string {
  const { place } = node;
  return unitText({
    Unit: heading(node),
    Service: [
      ['Type', 'exec'],
      ['ExecStart', `${programOf(place)} supervise --node-dir ${inCommand(place.configDir)}`],
      ['UMask', '0077'],
      // It ends with 0 when it is asked to stop, and with 3 when another supervisor keeps this node.
      ['Restart', 'on-failure'],
      ['RestartPreventExitStatus', '2 3'],
      ['RestartSec', '1'],
      ['TimeoutStopSec', '15'],
      // A node outlives its supervisor, and the next one finds it.
      ['KillMode', 'process'],
    ],
    Install: [['WantedBy', 'default.target']],
  });
}

function heading(node: UnitInput): readonly Setting[] {
  return [['Description', `Synod node ${node.nodeName} (${node.nodeId}) of the cluster ${node.clusterName}`]];
}

function programOf({ versionLinks }: NodePlace): string {
  return `${inCommand(`${versionLinks.runtime}/node`)} ${inCommand(`${versionLinks.release}/synod-node.cjs`)}`;
}

type Setting = readonly [name: string, value: string];

function unitText(sections: Readonly<Record<'Unit' | 'Service' | 'Install', readonly Setting[]>>): string {
  const texts = Object.entries(sections).map(
    ([name, settings]) => `[${name}]\n${settings.map(([key, value]) => `${key}=${value}\n`).join('')}`,
  );
  return `# Written by Synod; changes are overwritten.\n${texts.join('\n')}`;
}

/** A path as one word of a setting: percent signs begin specifiers (systemd.unit(5)). */
function quoted(path: string): string {
  const plain = path.replaceAll('%', '%%');
  return /^[\w/.@:+%$-]+$/.test(plain) ? plain : `"${plain.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** In commands dollar signs begin variables as well (systemd.service(5)). */
function inCommand(path: string): string {
  return quoted(path).replaceAll('$', () => '$$');
}
