/** `synod cluster rotate-certificates`: new certificates while the cluster serves. */
import type { Command } from 'commander';
import { type GlobalOptions, printResult, UsageError, withEngine } from '../context.ts';
import { findCluster } from '../find.ts';
import { follow } from '../follow.ts';
import { resolveStateDir } from '../state-dir.ts';
import { giveSudoPassword } from './plan.ts';

const PHASES = `
Each node is restarted in turn, the leader last after handing over. With --authority that is done three times: all trust the old
and the new authority; all show certificates of the new one; all trust the new one only. Cut short, it goes on when it is run again.
Clients that keep copies of their files need new ones between the first and the second: stop there with --hold.`;

interface RotateOptions {
  readonly authority?: boolean;
  readonly hold?: boolean;
  readonly why?: string;
  readonly sudoPasswordStdin?: boolean;
}

/** Adds the word to `synod cluster`. */
export function addRotateCommand(program: Command, cluster: Command): void {
  cluster
    .command('rotate-certificates')
    .argument('<name>')
    .description('new certificates with new keys for nodes and clients, one node after the other')
    .option('--authority', 'a new authority, too: what the old one signed is refused afterwards')
    .option('--hold', 'with --authority: stop once both are trusted, and go on when it is run again')
    .option('--why <text>', 'the reason, for the audit')
    .option('--sudo-password-stdin', "sudo's password for the hosts whose sudo asks, read from stdin")
    .addHelpText('after', PHASES)
    .action(async (name: string, given: RotateOptions) => {
      if (given.hold && !given.authority) throw new UsageError('--hold has a meaning with --authority only');
      const options = program.opts<GlobalOptions>();
      await withEngine(resolveStateDir(options.state), async (client) => {
        if (given.sudoPasswordStdin) await giveSudoPassword(client);
        const { clusterId } = findCluster(await client.fleet.get(), name);
        const { operationId } = await client.clusters.rotateCertificates({
          clusterId,
          authority: given.authority ?? false,
          hold: given.hold ?? false,
          why: given.why ?? null,
        });
        const operation = await follow(client, operationId);
        printResult(options, { ok: true, operation }, () => operation.outcome ?? `${name} has new certificates.`);
      });
    });
}
