/** `synod cluster backup|restore` and `synod backup verify`. Files are on this computer, which is the engine's, too. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { BackupManifest } from '../../contract/backup.ts';
import { type GlobalOptions, note, printResult, withEngine } from '../context.ts';
import { findCluster, parseName } from '../find.ts';
import { follow } from '../follow.ts';
import { resolveStateDir } from '../state-dir.ts';
import { addPlaceOptions, giveSudoPassword, newCluster, type PlaceOptions } from './plan.ts';

const KEPT = `
Kept are all keys with values, versions, create and mod revisions and lease numbers, and the history that was not compacted; the
new cluster's revisions go on from there. New are its id, its nodes and its certificates. A damaged file is refused before any host
is touched. Cut short, it goes on with \`synod cluster create NAME --hosts …\`.`;

/** Adds the words to `synod cluster`, and `synod backup`. */
export function addBackupCommands(program: Command, cluster: Command): void {
  const stateDir = () => resolveStateDir(program.opts<GlobalOptions>().state);

  cluster
    .command('backup')
    .argument('<name>')
    .description('everything that was acknowledged until now, from one node into one file of this computer')
    .requiredOption('--to <file>', 'where; it is readable for you only')
    .option('--force', 'replace a file that is there')
    .option('--why <text>', 'the reason, for the audit')
    .action(async (name: string, given: { to: string; force?: boolean; why?: string }) => {
      await withEngine(stateDir(), async (client) => {
        const { clusterId } = findCluster(await client.fleet.get(), name);
        const path = resolve(given.to);
        const order = { clusterId, path, force: given.force ?? false, why: given.why ?? null };
        const operation = await follow(client, (await client.backups.take(order)).operationId);
        printResult(program.opts(), { ok: true, path, operation }, () => operation.outcome ?? `It is in ${path}.`);
      });
    });

  addPlaceOptions(
    cluster
      .command('restore')
      .argument('<file>')
      .description('a new cluster that begins with the content of a backup')
      .requiredOption('--name <name>', 'of the new cluster')
      .requiredOption('--hosts <names>', 'host names, separated by commas'),
  )
    .addHelpText('after', KEPT)
    .action(async (file: string, given: PlaceOptions & { name: string; sudoPasswordStdin?: boolean }) => {
      const name = parseName(given.name);
      await withEngine(stateDir(), async (client) => {
        if (given.sudoPasswordStdin) await giveSudoPassword(client);
        const request = await newCluster(client, name, given);
        const started = await client.backups.restore({ ...request, path: resolve(file) });
        note(describe(started.manifest));
        const operation = await follow(client, started.operationId);
        const { clusterId, manifest } = started;
        printResult(program.opts(), { ok: true, clusterId, manifest, operation }, () => operation.outcome ?? '');
      });
    });

  program
    .command('backup')
    .description('backups as files')
    .command('verify')
    .argument('<file>')
    .description('whether it is whole, by its SHA-256, and what is in it')
    .action(async (file: string) => {
      await withEngine(stateDir(), async (client) => {
        const manifest = await client.backups.verify({ path: resolve(file) });
        printResult(program.opts(), { ok: true, manifest }, () => describe(manifest));
      });
    });
}

function describe(manifest: BackupManifest): string {
  const { clusterName, clusterId, revision, slot, nodeName, nodeVersion, createdAtUnixMs, snapshotBytes } = manifest;
  return [
    `Whole: ${clusterName} (${clusterId}) up to revision ${revision} and slot ${slot},`,
    `taken from ${nodeName} (${nodeVersion}) at ${new Date(createdAtUnixMs).toISOString()}; ${snapshotBytes} bytes,`,
    `SHA-256 ${manifest.snapshotSha256}`,
  ].join(' ');
}
