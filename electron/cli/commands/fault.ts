import type { Command } from 'commander';
import type { Link } from '../../../cluster-node/contract/fault.ts';
import type { ClusterView } from '../../contract/model.ts';
import { act } from '../act.ts';
import { type GlobalOptions, printResult, UsageError, withEngine } from '../context.ts';
import { findCluster, findNode, observedFleet } from '../find.ts';
import { resolveStateDir } from '../state-dir.ts';
import { table } from '../table.ts';
import { wholeNumber } from './lab.ts';

interface InjectOptions {
  readonly cluster?: string;
  readonly isolate?: string;
  readonly cut?: string;
  readonly link?: string[];
  readonly ttl: number;
}

/** `synod fault inject|heal|list`. */
export function addFaultCommands(program: Command): void {
  const fault = program.command('fault').description('faults that end by themselves on the hosts');
  const stateDir = () => resolveStateDir(program.opts<GlobalOptions>().state);

  fault
    .command('inject')
    .description('cut links between nodes for a while')
    .option('--cluster <name>', 'the cluster, where there are several')
    .option('--isolate <node>', 'cut all links of this node, both ways')
    .option('--cut <groups>', 'two groups that cannot talk, both ways: "node-1,node-2|node-3"')
    .option('--link <pair>', 'one directed link: "node-1->node-2"; may be given again', collect)
    .option('--ttl <seconds>', 'how long, at most', wholeNumber(1, 3600), 60)
    .action(async (given: InjectOptions) => {
      const options = program.opts<GlobalOptions>();
      await withEngine(stateDir(), async (client) => {
        const cluster = findCluster(await observedFleet(client), given.cluster);
        const links = linksOf(cluster, given);
        const action = { kind: 'partition', clusterId: cluster.clusterId, links, ttlMs: given.ttl * 1000 } as const;
        const operation = await act(client, action);
        printResult(options, { ok: true, operation }, () => operation.outcome ?? operation.title);
      });
    });

  fault
    .command('heal')
    .argument('[fault]', 'its id; without one, everything is healed')
    .description('end a fault now, or all of them')
    .option('--cluster <name>', 'the cluster, where there are several')
    .action(async (faultId: string | undefined, given: { cluster?: string }) => {
      const options = program.opts<GlobalOptions>();
      await withEngine(stateDir(), async (client) => {
        const { clusterId } = findCluster(await observedFleet(client), given.cluster);
        const operation = await act(
          client,
          faultId === undefined ? { kind: 'healAll', clusterId } : { kind: 'heal', clusterId, faultId },
        );
        printResult(options, { ok: true, operation }, () => operation.outcome ?? operation.title);
      });
    });

  fault
    .command('list')
    .description('faults with what is left of their time')
    .option('--cluster <name>', 'of this cluster only')
    .action(async (given: { cluster?: string }) => {
      const options = program.opts<GlobalOptions>();
      await withEngine(stateDir(), async (client) => {
        const fleet = await observedFleet(client);
        const clusters = given.cluster === undefined ? fleet.clusters : [findCluster(fleet, given.cluster)];
        const faults = clusters.flatMap((cluster) => cluster.faults);
        printResult(options, { ok: true, faults }, () =>
          faults.length === 0
            ? 'No faults.'
            : table(
                ['fault', 'state', 'what', 'heals at'],
                faults.map((view) => [
                  view.faultId,
                  view.state,
                  view.title,
                  new Date(view.healsAtUnixMs).toISOString(),
                ]),
              ),
        );
      });
    });
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

/** The directed links that the options name. Throws UsageError when they name none, or a node that is not there. */
function linksOf(cluster: ClusterView, given: InjectOptions): Link[] {
  const slot = (name: string) => findNode(cluster, name.trim()).memberSlot;
  const all = cluster.nodes.map((node) => node.memberSlot);
  const links: Link[] = [];
  if (given.isolate !== undefined) {
    const alone = slot(given.isolate);
    links.push(
      ...bothWays(
        [alone],
        all.filter((other) => other !== alone),
      ),
    );
  }
  if (given.cut !== undefined) {
    const [left, right, ...more] = given.cut.split('|').map((group) => group.split(',').map(slot));
    if (left === undefined || right === undefined || more.length > 0)
      throw new UsageError('--cut wants two groups: "node-1,node-2|node-3"');
    if (left.some((member) => right.includes(member)))
      throw new UsageError('a node cannot stand on both sides of --cut');
    links.push(...bothWays(left, right));
  }
  for (const text of given.link ?? []) {
    const [from, to, ...more] = text.split('->');
    if (from === undefined || to === undefined || more.length > 0)
      throw new UsageError('--link wants "node-1->node-2"');
    links.push({ from: slot(from), to: slot(to) });
  }
  if (links.length === 0) throw new UsageError('say what to cut with --isolate, --cut or --link');
  return links;
}

function bothWays(left: readonly number[], right: readonly number[]): Link[] {
  return left.flatMap((a) =>
    right.flatMap((b) => [
      { from: a, to: b },
      { from: b, to: a },
    ]),
  );
}
