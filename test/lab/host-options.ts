/** What a host of a lab can be. Every option has a default: a plain Debian server with a system manager and two disks. */
export interface HostOptions {
  /** `light`: sshd alone, no systemd and no disks of its own, a few megabytes; for tests that need a hundred of them. */
  readonly kind?: 'full' | 'light';
  /** `back`: reachable only from hosts that are on both, such as a bastion. */
  readonly segment?: 'front' | 'back' | 'both';
  /** `slow`: a cable with delay, jitter and the like on demand (`link`), run by a process of this machine. */
  readonly cable?: 'plain' | 'slow';
  /** 64 without. */
  readonly dataDiskMiB?: number;
  /** Makes `clock` work: programs started by the system manager and over SSH see a clock that can be moved. */
  readonly movableClock?: boolean;
  /** 22 without. */
  readonly sshPort?: number;
  /** ed25519 alone without. */
  readonly hostKeyTypes?: readonly ('ed25519' | 'ecdsa' | 'rsa')[];
  /** Lines of sshd_config before all others, so that they win. */
  readonly sshd?: readonly string[];
  /** false: no SFTP. */
  readonly sftp?: boolean;
  /** What `ops` may do with sudo; `nopasswd` without. `absent`: sudo is not installed. */
  readonly opsSudo?: 'nopasswd' | 'password' | 'requiretty' | 'absent';
  /** For every session over SSH, such as `0077`. */
  readonly umask?: string;
  readonly noexecTmp?: boolean;
  /** Shell lines at the top of everyone's .bashrc and .profile: `sleep 2`, `echo Welcome`. */
  readonly startFile?: string;
  /** 32 hexadecimal digits, to make two hosts the same; random without. */
  readonly machineId?: string;
  /** Further shell lines, run as root in the host's root file system before its first boot. */
  readonly prepare?: string;
}

/** A server of a strict security team. */
export const STRICT: HostOptions = {
  sftp: false,
  sshd: ['MaxSessions 1', 'AllowTcpForwarding no', 'X11Forwarding no', 'PermitRootLogin no'],
  opsSudo: 'requiretty',
  umask: '0077',
  noexecTmp: true,
  startFile: 'sleep 0.5',
};

/** Of `ops` (sudo without password), `deploy` (sudo asks for it) and `plain` (no sudo). Only where sshd is told to ask for it. */
export const PASSWORD = 'synod-lab';
