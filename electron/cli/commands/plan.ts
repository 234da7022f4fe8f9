/** `synod cluster plan|apply` and `synod audit`: what would be done on hosts, doing it, and what was done. */
import type { Command } from 'commander';
import type { ClusterPlan } from '../../contract/contract.ts';
import { type Failure, folderSchema } from '../../contract/model.ts';
import type { AuditEntry, HostPlan } from '../../contract/plan.ts';
import type { EngineClient } from '../../serve/engine-socket.ts';
import {
  CommandFailure,
  type GlobalOptions,
  note,
  planExitCodes,
  printResult,
  UsageError,
  withEngine,
} from '../context.ts';
import { findHost, parseName } from '../find.ts';
import { follow } from '../follow.ts';
import { resolveStateDir } from '../state-dir.ts';
import { table } from '../table.ts';
import { wholeNumber } from './lab.ts';

const EXIT_CODES = `
Exit codes: 0 nothing to do, or applied and seen to be as planned; 2 changes are pending; 1 failed;
3 refused: something on a host forbids it; 64 wrong use. No plan changes anything.`;

export interface PlaceOptions {
  readonly hosts?: string;
  readonly place: string;
  readonly dataDir: string[];
  readonly peerPort?: number;
  readonly clientPort?: number;
}

/** What a new cluster is asked with, by whichever command. */
export function addPlaceOptions(command: Command): Command {
  const collect = (value: string, before: string[]) => [...before, value];
  return command
    .option('--place <home|system>', "below the login's home, or the system's own folders with root's rights", 'home')
    .option('--data-dir <[host=]folder>', 'a folder on the disk for the data, for one host or all', collect, [])
    .option('--peer-port <port>', 'port between nodes', wholeNumber(1, 65535))
    .option('--client-port <port>', 'port for clients', wholeNumber(1, 65535))
    .option('--sudo-password-stdin', "sudo's password for the hosts whose sudo asks, read from stdin");
}

export interface NewCluster {
  readonly name: string;
  readonly hostIds: string[];
  readonly peerPort: number | null;
  readonly clientPort: number | null;
  readonly place: 'home' | 'system';
  readonly dataFolders: Record<string, string>;
}

/** The request for a new cluster. Throws UsageError. */
export async function newCluster(client: EngineClient, name: string, given: PlaceOptions): Promise<NewCluster> {
  if (given.hosts === undefined) throw new UsageError(`there is no cluster ${name} yet; say where with --hosts a,b,c`);
  const fleet = await client.fleet.get();
  const hosts = given.hosts.split(',').map((host) => findHost(fleet, host.trim()));
  const hostIds = hosts.map((host) => host.hostId);
  if (new Set(hostIds).size < hostIds.length) throw new UsageError('--hosts names a host twice');
  const { place } = given;
  if (place !== 'home' && place !== 'system') throw new UsageError(`--place is home or system, not "${place}"`);
  const dataFolders: Record<string, string> = {};
  for (const text of given.dataDir) {
    const [folder = '', host] = text.split('=').toReversed();
    const parsed = folderSchema.safeParse(folder);
    if (!parsed.success) throw new UsageError(`--data-dir ${text}: ${parsed.error.issues[0]?.message}`);
    const chosen = host === undefined ? hosts : [findHost(fleet, host)];
    for (const { hostId } of chosen) dataFolders[hostId] = parsed.data;
  }
  const ports = { peerPort: given.peerPort ?? null, clientPort: given.clientPort ?? null };
  return { name, hostIds, ...ports, place, dataFolders };
}

/** Reads one line from stdin, and gives it as sudo's password of all hosts. */
export async function giveSudoPassword(client: EngineClient): Promise<void> {
  let text = '';
  for await (const chunk of process.stdin) text += String(chunk);
  const secret = text.split('\n')[0] ?? '';
  if (secret === '') throw new UsageError('--sudo-password-stdin: nothing came from stdin');
  const { hosts } = await client.fleet.get();
  for (const { hostId } of hosts) await client.hosts.provideSecret({ hostId, secret, purpose: 'sudo' });
}

/** Adds the two words to `synod cluster`. */
export function addPlanCommands(program: Command, cluster: Command): void {
  const inEngine = <T>(work: (client: EngineClient) => Promise<T>) =>
    withEngine(resolveStateDir(program.opts<GlobalOptions>().state), work);

  addPlaceOptions(
    cluster
      .command('plan')
      .argument('<name>')
      .description('what would be done on each host; changes nothing')
      .option('--hosts <names>', 'host names, separated by commas, of a cluster that is not there yet'),
  )
    .addHelpText('after', EXIT_CODES)
    .action(async (text: string, given: PlaceOptions & { sudoPasswordStdin?: boolean }) => {
      const name = parseName(text);
      await inEngine(async (client) => {
        if (given.sudoPasswordStdin) await giveSudoPassword(client);
        const plan = await planOf(client, name, given);
        printResult(program.opts(), { ok: plan.refusals.length === 0, plan }, () => describePlan(plan));
        process.exitCode = exitCodeOf(plan);
      });
    });

  cluster
    .command('apply')
    .argument('<name>')
    .description('do what is planned, and see that it is done; what is done already is left alone')
    .option('--plan <hash>', 'only this plan: refused when anything has changed since')
    .option('--why <text>', 'the reason, for the audit')
    .option('--yes', 'agree to whatever is to be done now')
    .option('--sudo-password-stdin', "sudo's password for the hosts whose sudo asks, read from stdin")
    .addHelpText('after', EXIT_CODES)
    .action(async (text: string, given: ApplyOptions) => {
      const name = parseName(text);
      await inEngine(async (client) => {
        if (given.sudoPasswordStdin) await giveSudoPassword(client);
        await apply(client, program.opts(), { name, ...given });
      });
    });

  program
    .command('audit')
    .description('who changed what on hosts, when and why, with every command')
    .option('--limit <n>', 'how many, newest first', wholeNumber(1, 1000), 20)
    .action(async (given: { limit: number }) => {
      await inEngine(async (client) => {
        const entries = await client.audit.list({ limit: given.limit });
        printResult(program.opts(), { ok: true, entries }, () => describeAudit(entries));
      });
    });
}

interface ApplyOptions {
  readonly plan?: string;
  readonly why?: string;
  readonly yes?: boolean;
  readonly sudoPasswordStdin?: boolean;
}

async function apply(
  client: EngineClient,
  options: GlobalOptions,
  given: ApplyOptions & { name: string },
): Promise<void> {
  const { name } = given;
  const existing = (await client.fleet.get()).clusters.find((one) => one.name === name);
  if (existing !== undefined && given.plan === undefined) {
    const plan = await client.clusters.plan({ clusterId: existing.clusterId });
    if (plan.refusals.length > 0) throw refused(plan);
    if (plan.changes === 0 && existing.lifecycle === 'provisioned') {
      printResult(
        options,
        { ok: true, changes: 0, plan },
        () => `Nothing to do: ${name} is as it should be on every host.`,
      );
      return;
    }
    if (!given.yes) {
      printResult(options, { ok: true, changes: plan.changes, plan }, () => describePlan(plan));
      note(`Nothing was changed. Agree with --plan ${plan.hash} or --yes.`);
      process.exitCode = planExitCodes.pending;
      return;
    }
  }
  if (existing === undefined && given.plan === undefined && !given.yes)
    throw new UsageError(`${name} is not there yet; agree to its plan with --plan HASH or --yes`);
  const { operationId, clusterId } = await client.clusters.apply({
    name,
    plan: given.plan ?? null,
    why: given.why ?? null,
  });
  const operation = await follow(client, operationId);
  printResult(options, { ok: true, clusterId, operation }, () => operation.outcome ?? `${name} is as planned.`);
}

async function planOf(client: EngineClient, name: string, given: PlaceOptions): Promise<ClusterPlan> {
  const existing = (await client.fleet.get()).clusters.find((one) => one.name === name);
  if (existing === undefined) return client.clusters.plan(await newCluster(client, name, given));
  if (given.hosts !== undefined) {
    const { hostIds } = await newCluster(client, name, given);
    const present = existing.nodes.map((node) => node.hostId);
    if (JSON.stringify(hostIds.toSorted()) !== JSON.stringify(present.toSorted()))
      throw new UsageError(`the cluster "${name}" exists on other hosts. Leave --hosts out, or choose another name.`);
  }
  return client.clusters.plan({ clusterId: existing.clusterId });
}

function exitCodeOf(plan: ClusterPlan): number {
  if (plan.refusals.length > 0) return planExitCodes.refused;
  return plan.changes === 0 ? planExitCodes.nothingToDo : planExitCodes.pending;
}

function refused(plan: ClusterPlan): CommandFailure {
  const nowhere: Omit<Failure, 'kind' | 'message' | 'nextStep'> = {
    host: null,
    step: 'plan',
    command: null,
    exitCode: null,
    stderr: null,
  };
  const nextStep = 'Nothing was changed. Do what the reason asks for, then run it again.';
  return new CommandFailure({ ...nowhere, kind: 'planRefused', message: plan.refusals.join(' '), nextStep });
}

function describePlan(plan: ClusterPlan): string {
  const warnings = plan.warnings.map((warning) => `note: ${warning}`);
  if (plan.refusals.length > 0) return [...warnings, ...plan.refusals.map((one) => `refused: ${one}`)].join('\n');
  if (plan.changes === 0)
    return [...warnings, `Nothing to do: ${plan.name} is as it should be on every host.`].join('\n');
  return [
    ...warnings,
    ...plan.hosts.map(describeHost),
    `${plan.changes} changes on ${plan.hosts.filter((host) => host.steps.length > 0).length} hosts, plan ${plan.hash}.`,
    'Hosts are worked on at the same time; nodes that run are restarted one after the other, each once the last follows the leader.',
    `Apply exactly this: synod cluster apply ${plan.name} --plan ${plan.hash}`,
  ].join('\n');
}

const marks: Readonly<Record<string, string>> = {
  create: '+',
  remove: '-',
  start: '>',
  stop: '!',
  restart: '>',
  update: '~',
};

function describeHost({ host, steps, hints }: HostPlan): string {
  if (steps.length === 0) return `${host}: nothing to do`;
  const lines = steps.flatMap((step) => [
    `  ${marks[step.change]} ${step.change} ${step.kind === 'shipped' ? 'file' : step.kind} ${step.target} (${step.why})`,
    ...(step.diff === null ? [] : step.diff.split('\n').map((line) => `      ${line}`)),
  ]);
  return [`${host}:`, ...lines, ...hints.map((hint) => `  firewall: ${hint}`)].join('\n');
}

function describeAudit(entries: readonly AuditEntry[]): string {
  if (entries.length === 0) return 'Nothing was changed on any host yet.';
  const rows = entries.map((entry) => [
    new Date(entry.startedAtUnixMs).toISOString(),
    entry.who,
    entry.title,
    entry.result,
    entry.commands.length,
    entry.why ?? '',
  ]);
  return table(['when', 'who', 'what', 'result', 'commands', 'why'], rows);
}
