/** `synod cluster restart|configure`: what is done to a cluster that serves, one node after the other. */
import type { Command } from 'commander';
import { type GlobalOptions, note, printResult, withEngine } from '../context.ts';
import { findCluster } from '../find.ts';
import { follow } from '../follow.ts';
import { resolveStateDir } from '../state-dir.ts';
import { wholeNumber } from './lab.ts';

/** Adds the two words to `synod cluster`. */
export function addRollingCommands(program: Command, cluster: Command): void {
  const stateDir = () => resolveStateDir(program.opts<GlobalOptions>().state);

  cluster
    .command('restart')
    .argument('<name>')
    .description('restart every node, one after the other: followers first, the leader last after handing over')
    .option('--why <text>', 'the reason, for the audit')
    .action(async (name: string, given: { why?: string }) => {
      await withEngine(stateDir(), async (client) => {
        const { clusterId } = findCluster(await client.fleet.get(), name);
        const started = await client.clusters.restart({ clusterId, why: given.why ?? null });
        const operation = await follow(client, started.operationId);
        printResult(program.opts(), { ok: true, operation }, () => operation.outcome ?? `${name} was restarted.`);
      });
    });

  cluster
    .command('configure')
    .argument('<name>')
    .description('choose the timeouts that its nodes run with; `cluster plan` and `cluster apply` put them there')
    .requiredOption('--heartbeat <ms>', 'how often nodes tell each other that they are there', wholeNumber(5, 10_000))
    .requiredOption('--election-timeout <ms>', 'silence after which a leader is replaced', wholeNumber(20, 60_000))
    .action(async (name: string, given: { heartbeat: number; electionTimeout: number }) => {
      await withEngine(stateDir(), async (client) => {
        const { clusterId } = findCluster(await client.fleet.get(), name);
        const wanted = { heartbeatMs: given.heartbeat, electionTimeoutMs: given.electionTimeout };
        const chosen = await client.clusters.configure({ clusterId, ...wanted });
        printResult(
          program.opts(),
          { ok: true, ...chosen },
          () => `${name}: chosen; nothing was changed on a host yet.`,
        );
        note(`See what that changes: synod cluster plan ${name}`);
      });
    });
}
