import type { Command } from 'commander';
import type { ConfiguredHost, HostAuth } from '../../contract/login.ts';
import type { Failure, HostView, NewHost } from '../../contract/model.ts';
import type { EngineClient } from '../../serve/engine-socket.ts';
import {
  CommandFailure,
  failureIn,
  type GlobalOptions,
  note,
  printResult,
  UsageError,
  withEngine,
} from '../context.ts';
import { findHost, observedFleet, parseName } from '../find.ts';
import { resolveStateDir } from '../state-dir.ts';
import { table } from '../table.ts';
import { addHostCheckCommand } from './host-check.ts';
import { addHostTransportCommand, transportOption } from './host-transport.ts';
import { askAtTerminal } from '../terminal.ts';
import { wholeNumber } from './lab.ts';

interface AddOptions {
  readonly address?: string;
  readonly port?: number;
  readonly user?: string;
  readonly via?: string;
  readonly alias?: string;
  readonly transport?: HostView['transport'];
  readonly key?: string;
  readonly agent?: boolean;
  readonly passwordStdin?: boolean;
  readonly fingerprint?: string;
}

/** `synod host add|import|list|trust|check|transport|remove`. */
export function addHostCommands(program: Command): void {
  const host = program.command('host').description('machines reached over SSH');

  host
    .command('add')
    .argument('<name>', 'name for people: lower-case letters, digits, hyphens')
    .description('add a host and connect to it, as ~/.ssh/config says; options given here win')
    .option('--address <address>', 'host name or IP address (default: what ~/.ssh/config says for the name)')
    .option('--port <port>', 'SSH port', wholeNumber(1, 65535))
    .option('--user <user>', 'login')
    .option('--alias <name>', 'name in ~/.ssh/config (default: the name, without --address)')
    .option('--via <jumps>', 'jump hosts, [user@]host[:port],…, or none')
    .addOption(transportOption())
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
        const trusted = await addAndTrust(client, parseName(name), given);
        printResult(options, { ok: true, host: trusted }, () => `${trusted.name}: ${describeReach(trusted)}`);
      });
    });

  addImportCommand(host, program);

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
    .command('trust')
    .argument('<name>')
    .description('trust the key of a host whose key is not known yet')
    .option('--fingerprint <SHA256:…>', 'the one that you expect; without it you are asked at the terminal')
    .action(async (name: string, given: { fingerprint?: string }) => {
      const options = program.opts<GlobalOptions>();
      await withEngine(resolveStateDir(options.state), async (client) => {
        const { hostId } = findHost(await client.fleet.get(), name);
        const { host: seen } = await client.hosts.check({ hostId });
        const trusted = await settleHostKey(client, seen, given.fingerprint);
        printResult(options, { ok: true, host: trusted }, () => `${trusted.name}: ${describeReach(trusted)}`);
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
  addHostTransportCommand(host, program);
}

/** A host that was never reached is a typing error more often than not: nothing is kept of it. */
async function addAndTrust(client: EngineClient, name: string, given: AddOptions): Promise<HostView> {
  const added = await addHost(client, name, given);
  return await settleHostKey(client, added, given.fingerprint).catch(async (error: unknown) => {
    await client.hosts.remove({ hostId: added.hostId });
    throw error;
  });
}

function addImportCommand(host: Command, program: Command): void {
  host
    .command('import')
    .argument('[aliases...]', 'names in ~/.ssh/config to add; without any, they are listed')
    .option('--all', 'all that are not in the fleet yet')
    .description('add hosts that ~/.ssh/config names')
    .action(async (aliases: string[], { all }: { all?: boolean }) => {
      const options = program.opts<GlobalOptions>();
      await withEngine(resolveStateDir(options.state), async (client) => {
        const configured = await client.hosts.listConfigured();
        if (aliases.length === 0 && !all) {
          printResult(options, { ok: true, configured }, () => describeConfigured(configured));
          return;
        }
        const missing = aliases.filter((alias) => !configured.some((one) => one.alias === alias));
        if (missing.length > 0) throw new UsageError(`~/.ssh/config names no host ${missing.join(', ')}`);
        const wanted = configured.filter(({ alias, inFleetAs }) =>
          aliases.length > 0 ? aliases.includes(alias) : inFleetAs === null,
        );
        const results = await importHosts(client, wanted);
        const ok = results.every(({ failure }) => failure === null);
        printResult(options, { ok, results }, () =>
          table(
            ['alias', 'result'],
            results.map((one) => [one.alias, one.failure?.message ?? 'added']),
          ),
        );
        if (!ok) process.exitCode = 1;
      });
    });
}

/** One after the other: each may ask about its key. */
async function importHosts(client: EngineClient, wanted: readonly ConfiguredHost[]) {
  const results: { alias: string; host: HostView | null; failure: Failure | null }[] = [];
  for (const { alias } of wanted) {
    try {
      const host = await addAndTrust(client, hostNameFrom(alias), { alias });
      results.push({ alias, host, failure: null });
    } catch (error) {
      results.push({ alias, host: null, failure: failureIn(error) });
    }
  }
  return results;
}

/** Names of the fleet have lower-case letters, digits and hyphens only. */
function hostNameFrom(alias: string): string {
  return parseName(
    alias
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, '')
      .slice(0, 32),
  );
}

async function addHost(client: EngineClient, name: string, given: AddOptions): Promise<HostView> {
  const view = await client.hosts.add(await newHost(client, name, given));
  if (!given.passwordStdin) return view;
  const secret = (await readStdin()).replace(/\r?\n$/, '');
  if (secret === '') throw new UsageError('--password-stdin was given, but stdin is empty');
  return client.hosts.provideSecret({ hostId: view.hostId, secret });
}

/** What was given wins over what ~/.ssh/config says for the alias, or for the address where one was given. */
async function newHost(client: EngineClient, name: string, given: AddOptions): Promise<NewHost> {
  const alias = given.alias ?? (given.address === undefined ? name : null);
  const configured = await client.hosts.resolve({ alias: alias ?? given.address ?? name });
  return {
    name,
    address: given.address ?? configured.address,
    port: given.port ?? configured.port,
    user: given.user ?? configured.user,
    auth: authOf(given),
    alias,
    via: given.via ?? null,
    transport: given.transport ?? 'builtin',
  };
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
      ? await ask(
          `${failure?.message ?? `${host.name} shows the ${keyType} key ${fingerprint}.`}\nIs it the right one? [yes/no] `,
        )
      : expected === fingerprint;
  if (!agreed)
    throw new CommandFailure({
      ...notReached(host),
      kind: expected === undefined ? 'hostKeyUnknown' : 'hostKeyMismatch',
      message: `The ${keyType} key of ${host.name} is ${fingerprint}${expected === undefined ? ', which is not known yet' : `, not ${expected}`}.`,
      nextStep: `Compare it on the host (ssh-keygen -lf /etc/ssh/ssh_host_${keyType.includes('ed25519') ? 'ed25519' : 'ecdsa'}_key.pub) and pass it with --fingerprint.`,
    });
  const trusted = await client.hosts.trustKey({ hostId: host.hostId, fingerprint });
  // Where it was a jump host's key, that of the host behind it is to be settled yet.
  return await settleHostKey(client, trusted, expected);
}

function notReached(host: HostView) {
  return {
    kind: 'unreachable',
    message: `${host.name} cannot be used: it is ${host.reachability.state}.`,
    host: host.name,
    step: 'connect',
    command: null,
    exitCode: null,
    stderr: null,
    nextStep: 'Correct the address, port or login.',
  };
}

async function ask(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  return (await askAtTerminal(question, { echo: true }))?.trim().toLowerCase() === 'yes';
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

function describeConfigured(hosts: readonly ConfiguredHost[]): string {
  if (hosts.length === 0) return '~/.ssh/config names no hosts.';
  return table(
    ['alias', 'address', 'user', 'via', 'in the fleet as'],
    hosts.map((one) => [one.alias, `${one.address}:${one.port}`, one.user, one.via ?? 'directly', one.inFleetAs ?? '']),
  );
}

function describeHosts(hosts: readonly HostView[]): string {
  if (hosts.length === 0) {
    note('No hosts yet. Add one with "synod host add NAME", or try "synod lab up".');
    return '';
  }
  const percent = (ratio: number | null | undefined) =>
    ratio === null || ratio === undefined ? null : `${Math.round(ratio * 100)} %`;
  return table(
    ['host', 'address', 'user', 'transport', 'state', 'cpu', 'nodes'],
    hosts.map((host) => [
      host.name,
      `${host.address}:${host.port}`,
      host.user,
      host.transport,
      host.reachability.state,
      percent(host.sample?.cpuRatio),
      host.nodeIds.length,
    ]),
  );
}
