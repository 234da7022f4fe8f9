/** `synod host check`: whether nodes can live on these hosts, the matrix of who reaches whom, and putting things right. */
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import type { CheckItem, CheckLink, HostView } from '../../contract/model.ts';
import type { EngineClient } from '../../serve/engine-socket.ts';
import { type GlobalOptions, note, printResult, UsageError, withEngine } from '../context.ts';
import { findHost } from '../find.ts';
import { follow } from '../follow.ts';
import { resolveStateDir } from '../state-dir.ts';
import { table } from '../table.ts';
import { wholeNumber } from './lab.ts';

interface CheckOptions {
  readonly dataDir?: string;
  readonly peerPort?: number;
  readonly clientPort?: number;
  readonly heartbeat?: number;
  readonly electionTimeout?: number;
  readonly fix?: string;
  readonly yes?: boolean;
}

interface CheckedHost {
  readonly host: HostView;
  readonly items: readonly CheckItem[];
}

export function addHostCheckCommand(host: Command, program: Command): void {
  const port = wholeNumber(1, 65535);
  host
    .command('check')
    .argument('<names...>')
    .description('whether nodes can live there; several hosts are also compared, and each calls each other one')
    .option('--data-dir <folder>', 'where data would go (default: the home of the login)')
    .option('--peer-port <port>', 'for nodes (default: 2380)', port)
    .option('--client-port <port>', 'for clients (default: 2379)', port)
    .option(
      '--heartbeat <ms>',
      'of the cluster, which the disk is measured against (default: 50)',
      wholeNumber(1, 10_000),
    )
    .option('--election-timeout <ms>', 'likewise (default: 300)', wholeNumber(10, 60_000))
    .option('--fix <check>', 'put this one right: shows what will run as root, and asks')
    .option('--yes', 'with --fix: do not ask')
    .addHelpText('after', '\nExit codes: 0 nothing fails, 1 something fails, 2 wrong use.')
    .action(async (names: string[], given: CheckOptions) => {
      const options = program.opts<GlobalOptions>();
      if (given.dataDir !== undefined && !given.dataDir.startsWith('/'))
        throw new UsageError('--data-dir takes an absolute path');
      await withEngine(resolveStateDir(options.state), async (client) => {
        const fleet = await client.fleet.get();
        const hostIds = names.map((name) => findHost(fleet, name).hostId);
        const request = {
          hostIds,
          dataDir: given.dataDir ?? null,
          peerPort: given.peerPort ?? null,
          clientPort: given.clientPort ?? null,
          heartbeatMs: given.heartbeat ?? null,
          electionTimeoutMs: given.electionTimeout ?? null,
        };
        let report = await client.hosts.preflight(request);
        if (given.fix !== undefined && (await putRight(client, report.hosts, given.fix, given.yes === true)))
          report = await client.hosts.preflight(request);
        const verdicts = [...report.hosts.flatMap(({ items }) => items), ...report.links].map((one) => one.verdict);
        const ok = !verdicts.includes('fail');
        printResult(options, { ok, ...report }, () => describe(report));
        if (!ok) process.exitCode = 1;
      });
    });
}

/** False: there was nothing to do. */
async function putRight(
  client: EngineClient,
  hosts: readonly CheckedHost[],
  check: string,
  isAgreed: boolean,
): Promise<boolean> {
  const fixable = hosts.flatMap(({ host, items }) =>
    items.flatMap((item) => (item.check === check && item.fix !== null ? [{ host, fix: item.fix }] : [])),
  );
  if (fixable.length === 0) {
    const offered = new Set(hosts.flatMap(({ items }) => items.filter((item) => item.fix).map((item) => item.check)));
    note(`Nothing to put right for "${check}"${offered.size === 0 ? '' : `; offered: ${[...offered].join(', ')}`}.`);
    return false;
  }
  for (const { host, fix } of fixable) {
    note(`${host.name}: ${fix.title}. As root:`);
    for (const line of fix.commands) note(`  ${line}`);
    note('taken back by:');
    for (const line of fix.undo) note(`  ${line}`);
  }
  if (!isAgreed && !(await askToRun())) throw new UsageError('nothing was run; pass --yes where nobody can be asked');
  for (const { host, fix } of fixable) {
    const { fixId, commands } = fix;
    const started = await client.hosts.fix({ hostId: host.hostId, check, fixId, commands });
    await follow(client, started.operationId);
  }
  return true;
}

async function askToRun(): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await reader.question('Run this? [yes/no] ')).trim().toLowerCase() === 'yes';
  } finally {
    reader.close();
  }
}

function describe(report: { hosts: readonly CheckedHost[]; links: readonly CheckLink[] }): string {
  const parts = report.hosts.map((checked) => describeHost(checked, report.hosts.length > 1));
  if (report.links.length > 0) parts.push(describeLinks(report));
  return parts.join('\n\n');
}

/** Of several hosts, what passed is only counted. */
function describeHost({ host, items }: CheckedHost, isBrief: boolean): string {
  const shown = isBrief ? items.filter((item) => item.verdict !== 'pass') : items;
  const rows = shown.map((item) => [item.check, item.verdict, item.found, nextOf(item)]);
  const passed = items.filter((item) => item.verdict === 'pass').length;
  const head = isBrief ? `${host.name}: ${passed} of ${items.length} checks passed\n` : '';
  return head + (rows.length === 0 ? '' : table(['check', 'verdict', 'found', 'next step'], rows));
}

function nextOf({ nextStep, fix, check }: CheckItem): string {
  const offer = fix === null ? '' : ` (--fix '${check}')`;
  return `${nextStep ?? ''}${offer}`;
}

/** Rows call, columns are called; of a host's ports the worst is shown. Then every call that did not pass, in words. */
function describeLinks({ hosts, links }: { hosts: readonly CheckedHost[]; links: readonly CheckLink[] }): string {
  const nameOf = new Map(hosts.map(({ host }) => [host.hostId, host.name]));
  const called = hosts.filter(({ host }) => links.some((link) => link.toHostId === host.hostId));
  const rows = called.map(({ host: from }) => [
    from.name,
    ...called.map(({ host: to }) =>
      cell(links.filter((link) => link.fromHostId === from.hostId && link.toHostId === to.hostId)),
    ),
  ]);
  const matrix = table(['from \\ to', ...called.map(({ host }) => host.name)], rows);
  const wrong = links
    .filter((link) => link.verdict !== 'pass')
    .map(
      (link) =>
        `${link.verdict}: ${nameOf.get(link.fromHostId)} → ${nameOf.get(link.toHostId)} port ${link.port}: ${link.found}.${link.nextStep === null ? '' : ` ${link.nextStep}`}`,
    );
  return [`Round trips on the cluster's ports:\n${matrix}`, ...wrong].join('\n');
}

function cell(links: readonly CheckLink[]): string {
  if (links.length === 0) return '-';
  const worst = (['fail', 'unknown', 'warn'] as const).find((verdict) =>
    links.some((link) => link.verdict === verdict),
  );
  const trips = links.flatMap((link) => (link.roundTripMs === null ? [] : [link.roundTripMs]));
  const trip = trips.length === 0 ? null : `${Math.max(...trips).toFixed(2)} ms`;
  return [trip, worst].filter((part) => part !== null && part !== undefined).join(' ');
}
