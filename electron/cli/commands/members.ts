/** `synod cluster add-node`, `remove-node`, `replace-node` and `move-node`: one change of its members, told before it is done. */
import { type Command, InvalidArgumentError } from 'commander';
import type { FleetSnapshot } from '../../contract/contract.ts';
import type { MembersChange, MembersPreview, QuorumAt } from '../../contract/members.ts';
import { type ClusterView, folderSchema } from '../../contract/model.ts';
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
import { findCluster, findHost, observedFleet } from '../find.ts';
import { follow } from '../follow.ts';
import { resolveStateDir } from '../state-dir.ts';
import { giveSudoPassword } from './plan.ts';

const HOW = `
Without --yes it tells what would be done and what that means for the quorum, and does nothing. Whatever interrupts it, the same command
goes on where it stopped. Exit codes: 0 done, 1 refused or failed, 2 it would be done.`;

interface ChangeOptions {
  readonly yes?: boolean;
  readonly acceptOutage?: boolean;
  readonly why?: string;
  readonly sudoPasswordStdin?: boolean;
}

interface NewNodeOptions extends ChangeOptions {
  readonly dataDir?: string;
  readonly peerPort?: number;
  readonly clientPort?: number;
}

/** Adds the four words to `synod cluster`. */
export function addMemberCommands(program: Command, cluster: Command): void {
  const change = async (name: string, given: ChangeOptions, changeOf: (at: Named) => MembersChange) => {
    const options = program.opts<GlobalOptions>();
    await withEngine(resolveStateDir(options.state), async (client) => {
      if (given.sudoPasswordStdin) await giveSudoPassword(client);
      const fleet = await observedFleet(client);
      const found = findCluster(fleet, name);
      await carryOut(client, changeOf({ fleet, cluster: found }), { options, given });
    });
  };

  newNodeOptions(
    cluster
      .command('add-node')
      .argument('<cluster>')
      .argument('<host>')
      .description('a node on one more host: it learns first, and votes once it has caught up'),
  ).action((name: string, host: string, given: NewNodeOptions) =>
    change(name, given, (at) => ({ kind: 'add', clusterId: at.cluster.clusterId, ...newNode(at.fleet, host, given) })),
  );

  changeOptions(
    cluster
      .command('remove-node')
      .argument('<cluster>')
      .argument('<node>', 'its name or id, or its host')
      .description('take a node out of the cluster, then off its host with its data'),
  ).action((name: string, node: string, given: ChangeOptions) =>
    change(name, given, (at) => ({ kind: 'remove', clusterId: at.cluster.clusterId, nodeId: nodeIdOf(at, node) })),
  );

  newNodeOptions(
    cluster
      .command('replace-node')
      .argument('<cluster>')
      .argument('<node>', 'its name or id, or its host; the host may be dead')
      .argument('<host>', 'where the new node goes')
      .description('a new node in place of one that is dead or to go'),
  ).action((name: string, node: string, host: string, given: NewNodeOptions) =>
    change(name, given, (at) => ({
      kind: 'replace',
      clusterId: at.cluster.clusterId,
      nodeId: nodeIdOf(at, node),
      ...newNode(at.fleet, host, given),
    })),
  );

  changeOptions(
    cluster
      .command('move-node')
      .argument('<cluster>')
      .argument('<node>', 'its name or id, or its host')
      .option('--data-dir <folder>', "where its data go, such as a folder on another disk; without: the place's own")
      .description('its data to another folder of its host; the node is down while they are copied'),
  ).action((name: string, node: string, given: ChangeOptions & { dataDir?: string }) =>
    change(name, given, (at) => ({
      kind: 'move',
      clusterId: at.cluster.clusterId,
      nodeId: nodeIdOf(at, node),
      dataFolder: folderOf(given.dataDir),
    })),
  );
}

interface Named {
  readonly fleet: FleetSnapshot;
  readonly cluster: ClusterView;
}

function changeOptions(command: Command): Command {
  return command
    .option('--yes', 'do it')
    .option('--accept-outage', 'also where writes stop on the way')
    .option('--why <text>', 'the reason, for the audit')
    .option('--sudo-password-stdin', "sudo's password for the hosts whose sudo asks, read from stdin")
    .addHelpText('after', HOW);
}

function newNodeOptions(command: Command): Command {
  return changeOptions(command)
    .option('--data-dir <folder>', 'a folder on the disk for its data')
    .option('--peer-port <port>', 'what the others have, if they agree', port)
    .option('--client-port <port>', 'what the others have, if they agree', port);
}

function port(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 65_535)
    throw new InvalidArgumentError('a port is 1 to 65535.');
  return number;
}

function newNode(fleet: FleetSnapshot, host: string, given: NewNodeOptions) {
  return {
    hostId: findHost(fleet, host).hostId,
    dataFolder: folderOf(given.dataDir),
    peerPort: given.peerPort ?? null,
    clientPort: given.clientPort ?? null,
  };
}

function folderOf(text: string | undefined): string | null {
  if (text === undefined) return null;
  const parsed = folderSchema.safeParse(text);
  if (!parsed.success) throw new UsageError(`--data-dir ${text}: ${parsed.error.issues[0]?.message}`);
  return parsed.data;
}

/** Also one that the cluster has removed and whose host is not cleaned yet. */
function nodeIdOf({ fleet, cluster }: Named, text: string): string {
  const all = [...cluster.nodes, ...cluster.leaving];
  const hostId = fleet.hosts.find((host) => host.name === text || host.hostId === text)?.hostId;
  const found = all.find((node) => node.nodeId === text || node.name === text || node.hostId === hostId);
  if (found) return found.nodeId;
  const hostOf = (node: { hostId: string }) => fleet.hosts.find((host) => host.hostId === node.hostId)?.name;
  const known = all.map((node) => `${node.name} (${hostOf(node)})`).join(', ');
  throw new UsageError(`no node "${text}" in ${cluster.name}. There are: ${known}.`);
}

async function carryOut(
  client: EngineClient,
  change: MembersChange,
  { options, given }: { options: GlobalOptions; given: ChangeOptions },
): Promise<void> {
  const preview = await client.clusters.previewMembers(change);
  if (preview.refusals.length > 0) throw refused(preview);
  if (!given.yes) {
    printResult(options, { ok: true, preview }, () => describePreview(preview));
    note(`Nothing was changed. Agree with --yes${preview.stopsWrites ? ' --accept-outage' : ''}.`);
    process.exitCode = planExitCodes.pending;
    return;
  }
  for (const warning of preview.warnings) note(`  note: ${warning}`);
  const { operationId } = await client.clusters.changeMembers({
    change,
    acceptOutage: given.acceptOutage ?? false,
    why: given.why ?? null,
  });
  const operation = await follow(client, operationId);
  printResult(options, { ok: true, operation }, () => operation.outcome ?? preview.title);
}

function refused({ refusals, title }: MembersPreview): CommandFailure {
  return new CommandFailure({
    kind: 'refused',
    message: `${title}: ${refusals.join(' ')}`,
    host: null,
    step: 'preview',
    command: null,
    exitCode: null,
    stderr: null,
    nextStep: 'Nothing was changed. Do what the reason asks for, then run it again.',
  });
}

function describePreview({ title, runs, quorums, warnings }: MembersPreview): string {
  return [
    `${title}:`,
    ...runs.map((line, at) => `  ${at + 1}. ${line}`),
    ...quorums.map((quorum) => `${quorum.when.padEnd(6)} ${describeQuorum(quorum)}`),
    ...warnings.map((warning) => `note: ${warning}`),
  ].join('\n');
}

function describeQuorum({ voters, size, working, tolerates }: QuorumAt): string {
  const margin = tolerates < 0 ? 'writes stop' : `tolerates ${tolerates === 0 ? 'no failure' : `${tolerates} more`}`;
  return `${working} of ${voters} voters work, writes need ${size}: ${margin}`;
}
