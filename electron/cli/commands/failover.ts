import type { Command } from 'commander';
import { act } from '../act.ts';
import { type GlobalOptions, printResult, withEngine } from '../context.ts';
import { findCluster, findNode, observedFleet } from '../find.ts';
import { resolveStateDir } from '../state-dir.ts';

/** `synod failover NODE`: moves leadership to a chosen node in an orderly way. */
export function addFailoverCommand(program: Command): void {
  program
    .command('failover')
    .argument('<node>', 'the node that is to lead: name or id')
    .description('move leadership to a node')
    .option('--cluster <name>', 'its cluster, where there are several')
    .action(async (name: string, given: { cluster?: string }) => {
      const options = program.opts<GlobalOptions>();
      await withEngine(resolveStateDir(options.state), async (client) => {
        const cluster = findCluster(await observedFleet(client), given.cluster);
        const target = findNode(cluster, name).nodeId;
        const operation = await act(client, { kind: 'failover', clusterId: cluster.clusterId, target });
        printResult(options, { ok: true, operation }, () => operation.outcome ?? operation.title);
      });
    });
}
