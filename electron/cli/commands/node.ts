import type { Command } from 'commander';
import type { Action } from '../../contract/model.ts';
import { act } from '../act.ts';
import { type GlobalOptions, printResult, withEngine } from '../context.ts';
import { findCluster, findNode, observedFleet } from '../find.ts';
import { resolveStateDir } from '../state-dir.ts';

const verbs = [
  { word: 'start', kind: 'nodeStart', what: 'start a stopped node' },
  { word: 'stop', kind: 'nodeStop', what: 'stop a node in an orderly way; it stays stopped' },
  { word: 'restart', kind: 'nodeRestart', what: 'stop and start a node' },
  { word: 'kill', kind: 'nodeKill', what: 'kill -9; its service manager starts it again' },
] as const satisfies readonly { word: string; kind: Action['kind']; what: string }[];

/** `synod node start|stop|restart|kill NODE [--cluster NAME]`. */
export function addNodeCommands(program: Command): void {
  const node = program.command('node').description('single nodes of a cluster');
  for (const verb of verbs) {
    node
      .command(verb.word)
      .argument('<node>', 'name or id')
      .description(verb.what)
      .option('--cluster <name>', 'its cluster, where there are several')
      .action(async (name: string, given: { cluster?: string }) => {
        const options = program.opts<GlobalOptions>();
        await withEngine(resolveStateDir(options.state), async (client) => {
          const cluster = findCluster(await observedFleet(client), given.cluster);
          const { nodeId } = findNode(cluster, name);
          const operation = await act(client, { kind: verb.kind, clusterId: cluster.clusterId, nodeId });
          printResult(options, { ok: true, operation }, () => operation.outcome ?? operation.title);
        });
      });
  }
}
