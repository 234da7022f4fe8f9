import { userInfo } from 'node:os';
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import type { HostAuth, HostView } from '../../contract/model.ts';
import type { EngineClient } from '../../serve/engine-socket.ts';
import { CommandFailure, type GlobalOptions, note, printResult, UsageError, withEngine } from '../context.ts';
import { findHost, observedFleet, parseName } from '../find.ts';
import { resolveStateDir } from '../state-dir.ts';
import { table } from '../table.ts';
import { addHostCheckCommand } from './host-check.ts';
import { wholeNumber } from './lab.ts';

interface AddOptions {
  readonly address?: string;
  readonly port: number;
  readonly user: string;
  readonly key?: string;
  readonly agent?: boolean;
  readonly passwordStdin?: boolean;
  readonly fingerprint?: string;
}

/** `synod host add|list|check|remove`. */
export function addHostCommands(program: Command): void {
  const host = program.command('host').description('machines reached over SSH');

  host
    .command('add')
    .argument('<name>', 'name for people: lower-case letters, digits, hyphens')
    .description('add a host and connect to it')
    .option('--address <address>', 'host name or IP address (default: the name)')
    .option('--port <port>', 'SSH port', wholeNumber(1, 65535), 22)
    .option('--user <user>', 'login', userInfo().username)
    .option('--key <file>', 'private key to log in with')
    .option('--agent', 'log in with the SSH agent only')
    .option('--password-stdin', 'log in with the password (or unlock the key with the passphrase) read from stdin')
    .option(
      '--fingerprint <SHA256:…>',
      'host key fingerprint that you expect; an unknown key is trusted only if it is this one',
    )
    .action(async (name: string, given: AddOptions) => {
      const options = program.opts<GlobalOptions>();
      await withEngine(resolveStateDir(options.state), async (client) => {
        const added = await addHost(client, parseName(name), given);
        const trusted = await settleHostKey(client, added, given.fingerprint).catch(async (error: unknown) => {
          // A host that was never reached is a typing error more often than not: nothing is kept of it.
          await client.hosts.remove({ hostId: added.hostId });
          throw error;
        });
        printResult(options, { ok: true, host: trusted }, () => `${trusted.name}: ${describeReach(trusted)}`);
      });
    });

  host
    .command('list')
    .description('hosts with their reachability and load')
    .action(async () => {
      const options = program.opts<GlobalOptions>();
      await withEngine(resolveStateDir(options.state), async (client) => {
        const { hosts } = await observedFleet(client, 4000);
        printResult(options, { ok: true, hosts }, () => describeHosts(hosts));
      });
    });

  host
    .command('remove')
    .argument('<name>')
    .description('forget a host; refused while a node of a cluster lives there')
    .action(async (name: string) => {
      const options = program.opts<GlobalOptions>();
      await withEngine(resolveStateDir(options.state), async (client) => {
        const { hostId } = findHost(await client.fleet.get(), name);
        await client.hosts.remove({ hostId });
        printResult(options, { ok: true }, () => `${name} is forgotten; nothing on it was changed.`);
      });
    });

  addHostCheckCommand(host, program);
}

async function addHost(client: EngineClient, name: string, given: AddOptions): Promise<HostView> {
  const view = await client.hosts.add({
    name,
    address: given.address ?? name,
    port: given.port,
    user: given.user,
    auth: authOf(given),
  });
  if (!given.passwordStdin) return view;
  const secret = (await readStdin()).replace(/\r?\n$/, '');
  if (secret === '') throw new UsageError('--password-stdin was given, but stdin is empty');
  return client.hosts.provideSecret({ hostId: view.hostId, secret });
}

function authOf(given: AddOptions): HostAuth {
  if (given.key !== undefined) return { kind: 'key', path: given.key };
  if (given.agent) return { kind: 'agent' };
  if (given.passwordStdin) return { kind: 'password' };
  return { kind: 'default' };
}

/** Asks the person at the terminal, or compares with the expected fingerprint; never trusts by itself. */
async function settleHostKey(client: EngineClient, host: HostView, expected: string | undefined): Promise<HostView> {
  const { state, offeredKey, failure } = host.reachability;
  if (state === 'reachable') return host;
  if (state !== 'hostKeyUnknown' || offeredKey === null) throw new CommandFailure(failure ?? notReached(host));
  const { fingerprint, keyType } = offeredKey;
  const agreed =
    expected === undefined
      ? await ask(`${host.name} shows the ${keyType} key ${fingerprint}. Is it the right one? [yes/no] `)
      : expected === fingerprint;
  if (!agreed)
    throw new CommandFailure({
      ...notReached(host),
      kind: expected === undefined ? 'hostKeyUnknown' : 'hostKeyMismatch',
      message: `The ${keyType} key of ${host.name} is ${fingerprint}${expected === undefined ? ', which is not known yet' : `, not ${expected}`}.`,
      nextStep: `Compare it on the host (ssh-keygen -lf /etc/ssh/ssh_host_${keyType.includes('ed25519') ? 'ed25519' : 'ecdsa'}_key.pub) and pass it with --fingerprint.`,
    });
  const trusted = await client.hosts.trustKey({ hostId: host.hostId, fingerprint });
  if (trusted.reachability.state === 'reachable') return trusted;
  throw new CommandFailure(trusted.reachability.failure ?? notReached(trusted));
}

function notReached(host: HostView) {
  return {
    kind: 'unreachable',
    message: `${host.name} was not added: it is ${host.reachability.state}.`,
    host: host.name,
    step: 'connect',
    command: null,
    exitCode: null,
    stderr: null,
    nextStep: 'Correct the address, port or login, and add it again.',
  };
}

async function ask(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await reader.question(question)).trim().toLowerCase() === 'yes';
  } finally {
    reader.close();
  }
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function describeReach(host: HostView): string {
  const { state, failure } = host.reachability;
  return failure === null ? state : `${state}: ${failure.message}`;
}

function describeHosts(hosts: readonly HostView[]): string {
  if (hosts.length === 0) {
    note('No hosts yet. Add one with "synod host add NAME", or try "synod lab up".');
    return '';
  }
  const percent = (ratio: number | null | undefined) =>
    ratio === null || ratio === undefined ? null : `${Math.round(ratio * 100)} %`;
  return table(
    ['host', 'address', 'user', 'state', 'cpu', 'nodes'],
    hosts.map((host) => [
      host.name,
      `${host.address}:${host.port}`,
      host.user,
      host.reachability.state,
      percent(host.sample?.cpuRatio),
      host.nodeIds.length,
    ]),
  );
}
