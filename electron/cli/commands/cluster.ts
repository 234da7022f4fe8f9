import type { Command } from 'commander';
import { formatBallot } from '../../../cluster-node/contract/ballot.ts';
import { RENEW_CERTIFICATES_BEFORE_MS } from '../../contract/certificates.ts';
import type { ClusterView } from '../../contract/model.ts';
import { act } from '../act.ts';
import { CommandFailure, type GlobalOptions, note, printResult, UsageError, withEngine } from '../context.ts';
import { findCluster, observedFleet, parseName } from '../find.ts';
import { follow } from '../follow.ts';
import { resolveStateDir } from '../state-dir.ts';
import { table } from '../table.ts';
import { addBackupCommands } from './backup.ts';
import { addAdoptCommands } from './adopt.ts';
import {
  addPlaceOptions,
  addPlanCommands,
  giveSudoPassword,
  type NewCluster,
  newCluster,
  type PlaceOptions,
} from './plan.ts';
import { addRollingCommands } from './rolling.ts';
import { addMemberCommands } from './members.ts';
import { addRotateCommand } from './rotate.ts';

/** `synod cluster create|plan|apply|restart|configure|adopt|export-keys|import-keys|status|access|destroy`. */
export function addClusterCommands(program: Command): void {
  const cluster = program.command('cluster').description('Paxos clusters on the hosts of the fleet');
  const stateDir = () => resolveStateDir(program.opts<GlobalOptions>().state);

  addPlanCommands(program, cluster);
  addRollingCommands(program, cluster);
  addRotateCommand(program, cluster);
  addMemberCommands(program, cluster);
  addBackupCommands(program, cluster);
  addAdoptCommands(program, cluster);

  addPlaceOptions(
    cluster
      .command('create')
      .argument('<name>')
      .description('plan and apply: a cluster with a node on each host; running it again continues where it failed')
      .requiredOption('--hosts <names>', 'host names, separated by commas'),
  ).action(async (text: string, given: PlaceOptions & { sudoPasswordStdin?: boolean }) => {
    const name = parseName(text);
    const options = program.opts<GlobalOptions>();
    await withEngine(stateDir(), async (client) => {
      if (given.sudoPasswordStdin) await giveSudoPassword(client);
      const request = await newCluster(client, name, given);
      const fleet = await client.fleet.get();
      const existing = fleet.clusters.find((view) => view.name === name);
      if (existing !== undefined) {
        assertSameHosts(existing, request.hostIds);
        note(`${name} exists: going on with what is missing.`);
      }
      const started =
        existing === undefined
          ? await create(client, request)
          : { clusterId: existing.clusterId, ...(await client.clusters.resume({ clusterId: existing.clusterId })) };
      const operation = await follow(client, started.operationId);
      const access = await client.clusters.access({ clusterId: started.clusterId });
      printResult(
        options,
        { ok: true, clusterId: started.clusterId, ...access },
        () => operation.outcome ?? `${name} serves.`,
      );
    });
  });

  cluster
    .command('status')
    .argument('[name]')
    .description('who leads, how far every node is, and how certain that is')
    .action(async (name: string | undefined) => {
      const options = program.opts<GlobalOptions>();
      await withEngine(stateDir(), async (client) => {
        const fleet = await observedFleet(client);
        const clusters = name === undefined ? fleet.clusters : [findCluster(fleet, name)];
        printResult(
          options,
          { ok: true, clusters },
          () => clusters.map(describeCluster).join('\n\n') || 'No clusters yet.',
        );
      });
    });

  cluster
    .command('access')
    .argument('[name]')
    .description('what an etcd client needs: endpoints and certificate files')
    .action(async (name: string | undefined) => {
      const options = program.opts<GlobalOptions>();
      await withEngine(stateDir(), async (client) => {
        const { clusterId } = findCluster(await client.fleet.get(), name);
        const access = await client.clusters.access({ clusterId });
        printResult(options, { ok: true, ...access }, () => describeAccess(access));
      });
    });

  cluster
    .command('destroy')
    .argument('<name>')
    .description('stop the nodes and delete them with their data')
    .option('--confirm <name>', "must repeat the cluster's name")
    .option('--sudo-password-stdin', "sudo's password for the hosts whose sudo asks, read from stdin")
    .action(async (name: string, given: { confirm?: string; sudoPasswordStdin?: boolean }) => {
      if (given.confirm !== name)
        throw new UsageError(`this deletes the nodes of ${name} with all their data; agree with --confirm ${name}`);
      const options = program.opts<GlobalOptions>();
      await withEngine(stateDir(), async (client) => {
        if (given.sudoPasswordStdin) await giveSudoPassword(client);
        const { clusterId } = findCluster(await observedFleet(client), name);
        const operation = await act(client, { kind: 'clusterDestroy', clusterId, confirmName: name });
        printResult(options, { ok: true, operation }, () => operation.outcome ?? `${name} is gone.`);
      });
    });
}

/** As arguments of etcdctl. */
export function describeAccess(access: {
  endpoints: readonly string[];
  tls: { ca: string; cert: string; key: string } | null;
}): string {
  const secure =
    access.tls === null ? '' : ` --cacert ${access.tls.ca} --cert ${access.tls.cert} --key ${access.tls.key}`;
  return `ETCDCTL_API=3 etcdctl --endpoints ${access.endpoints.join(',')}${secure} endpoint status -w table`;
}

async function create(client: Parameters<typeof follow>[0], request: NewCluster) {
  const plan = await client.clusters.plan(request);
  for (const warning of plan.warnings) note(`  note: ${warning}`);
  if (plan.refusals.length > 0)
    throw new CommandFailure({
      kind: 'planRefused',
      message: plan.refusals.join(' '),
      host: null,
      step: 'plan',
      command: null,
      exitCode: null,
      stderr: null,
      nextStep: 'Nothing was changed. Do what the reason asks for, then run it again.',
    });
  return client.clusters.create(request);
}

function assertSameHosts(cluster: ClusterView, hostIds: readonly string[]): void {
  const present = cluster.nodes.map((node) => node.hostId).sort();
  if (JSON.stringify(present) !== JSON.stringify([...hostIds].sort()))
    throw new UsageError(
      `the cluster "${cluster.name}" exists on other hosts. Choose another name, or the same hosts to continue.`,
    );
}

function certificatesLine({ certificatesExpireAtUnixMs: expireAt, name }: ClusterView): string[] {
  if (expireAt === null) return [];
  const isDue = expireAt - Date.now() < RENEW_CERTIFICATES_BEFORE_MS;
  const next = isDue ? `; replace them: synod cluster rotate-certificates ${name}` : '';
  return [`certificates: valid until ${new Date(expireAt).toISOString().slice(0, 10)}${next}`];
}

function describeCluster(cluster: ClusterView): string {
  const leader = cluster.leader;
  const leads = cluster.nodes.find((node) => node.nodeId === leader?.nodeId)?.name;
  const head = `${cluster.name} (${cluster.clusterId}): ${cluster.health.headline} ${cluster.health.detail}`;
  const second =
    leader === null
      ? 'believed leader: unknown'
      : `believed leader: ${leads} under ballot ${formatBallot(leader.ballot)}, by ${leader.believedBy} of ${leader.asked}`;
  const rows = cluster.nodes.map((node) => [
    node.name,
    `${node.address}:${node.clientPort}`,
    node.standing === 'voter' ? node.condition : `${node.condition}, ${node.standing}`,
    node.sample === null ? null : formatBallot(node.sample.promised),
    node.sample?.decidedUpTo ?? null,
    node.sample?.appliedUpTo ?? null,
    node.behindSlots,
  ]);
  return [
    head,
    second,
    ...certificatesLine(cluster),
    ...cluster.unfinished.map((sentence) => `unfinished: ${sentence}`),
    table(['node', 'clients', 'condition', 'promised', 'decided', 'applied', 'behind'], rows),
  ].join('\n');
}
