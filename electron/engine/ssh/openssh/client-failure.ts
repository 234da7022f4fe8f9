/** Why OpenSSH's client did not get to a host, read from what it wrote to stderr. Pure. */
import { SshError, type SshErrorKind } from '../ssh-error.ts';
import { hostLabel, type SshTarget } from '../target.ts';
import { chainOf } from './client-config.ts';

interface Reason {
  kind: SshErrorKind;
  problem: string;
  nextStep: string;
}

const REACH = 'Check the address and that the host is up and on the network; then try again.';
const CONFIGURE = 'Correct the SSH configuration (ssh -G shows what ssh reads) and check the host again.';

/** The first line that one of them knows decides: a jump host's failure stands before what follows from it. */
const RULES: readonly [RegExp, (match: RegExpExecArray) => Reason][] = [
  [
    /^\S+: (?:line \d+: )?(Bad configuration option.*)|^(.*: terminating, \d+ bad configuration options)|^(\S+ line \d+: .*)/,
    ([line]) => ({ kind: 'badConfiguration', problem: `ssh refuses its configuration: ${line}`, nextStep: CONFIGURE }),
  ],
  [
    /^Bad owner or permissions on .*/,
    ([line]) => ({ kind: 'badConfiguration', problem: `ssh refuses its configuration: ${line}`, nextStep: CONFIGURE }),
  ],
  [
    /^ssh: Could not resolve hostname (.*)/,
    ([, said]) => ({ kind: 'unreachable', problem: `no such host name: ${said}`, nextStep: REACH }),
  ],
  [
    /^ssh: connect to host \S+ port \d+: Connection refused/,
    () => ({
      kind: 'refused',
      problem: 'connection refused',
      nextStep: 'Check the port, and that the SSH server is running on the host.',
    }),
  ],
  [
    /^ssh: connect to host \S+ port \d+: (.*)/,
    ([, said]) => ({
      kind: /timed out/.test(said ?? '') ? 'timeout' : 'unreachable',
      problem: `not reachable: ${said}`,
      nextStep: REACH,
    }),
  ],
  [
    /^Connection (?:timed out during banner exchange|to \S+ port \d+ timed out)/,
    () => ({
      kind: 'timeout',
      problem: 'accepted the connection but did not finish the SSH handshake in time',
      nextStep: 'The host may be frozen or overloaded. Look at its console, or try again.',
    }),
  ],
  [
    /^channel \d+: open failed: (?:administratively prohibited|connect failed).*/,
    ([line]) => ({
      kind: 'unreachable',
      problem: `the jump host cannot connect on to it: ${line}`,
      nextStep:
        'Check the address, and that the jump host may connect there (AllowTcpForwarding, PermitOpen in its sshd_config).',
    }),
  ],
  [
    /^(?:\S+@\S+: )?Permission denied \((.*)\)/,
    ([, methods]) => ({
      kind: 'authFailed',
      problem: `the host refused the login; it takes ${methods}`,
      nextStep:
        "Check the user name, and that the key or certificate is one that the host accepts: 'ssh -v' to it shows what is offered.",
    }),
  ],
  [
    /^(?:Received disconnect from .*: )?Too many authentication failures/,
    () => ({
      kind: 'authFailed',
      problem: 'the host lost patience: too many keys were offered to it',
      nextStep: 'Name the one key for it (IdentityFile with IdentitiesOnly yes in the SSH configuration, or --key).',
    }),
  ],
  [
    /^(Unable to negotiate with .*|Bad packet length.*|kex_exchange_identification: (?!.*(?:[Cc]losed|reset)).*)/,
    ([line]) => ({
      kind: 'protocol',
      problem: `the SSH handshake failed: ${line}`,
      nextStep:
        'Check that this port is an SSH server; if it is, that it shares algorithms with this ssh (ssh -v shows them).',
    }),
  ],
  [
    /^unix_listener: .*|^ControlPath too long.*|^ControlSocket .*/,
    ([line]) => ({
      kind: 'localFile',
      problem: `ssh cannot make its control socket on this computer: ${line}`,
      nextStep: 'Give the console a shorter or writable folder for sockets ($XDG_RUNTIME_DIR or $TMPDIR).',
    }),
  ],
];

export function clientFailure(target: SshTarget, stderr: string): SshError {
  const lines = stderr.split(/\r?\n/).filter((line) => line.trim() !== '');
  for (const line of lines)
    for (const [pattern, reason] of RULES) {
      const match = pattern.exec(line);
      if (match !== null) return errorOf(target, reason(match), { line, stderr });
    }
  const last = lines.at(-1) ?? 'it wrote nothing';
  const nextStep = `Try it by hand: ssh -v ${target.openSsh?.alias ?? target.address}.`;
  return errorOf(
    target,
    { kind: 'protocol', problem: `ssh ended before it was logged in: ${last}`, nextStep },
    { line: last, stderr },
  );
}

function errorOf(target: SshTarget, reason: Reason, said: { line: string; stderr: string }): SshError {
  const hop = failedHop(target, said);
  const problem = hop === null ? reason.problem : `jump host ${hostLabel(hop)}: ${reason.problem}`;
  return new SshError({ ...reason, problem, host: hostLabel(target), cause: new Error(said.stderr.trim()) });
}

/** The client of a jump host fails in its own words, and then the connection through it ends without a place. */
function failedHop(target: SshTarget, { line, stderr }: { line: string; stderr: string }): SshTarget | null {
  const [, ...hops] = chainOf(target);
  if (hops.length === 0 || !/UNKNOWN port 65535/.test(stderr) || line.startsWith('channel ')) return null;
  const named = hops.find((hop) =>
    [hop.address, hop.openSsh?.alias].some((name) => name !== undefined && line.includes(name)),
  );
  return named ?? hops[0] ?? null;
}
