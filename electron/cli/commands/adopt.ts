/** `synod cluster adopt|export-keys|import-keys`: a cluster of another console, and its keys. */
import { readFile, writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { Adoption } from '../../contract/adoption.ts';
import { passphraseSchema } from '../../contract/adoption.ts';
import type { EngineClient } from '../../serve/engine-socket.ts';
import { type GlobalOptions, note, planExitCodes, printResult, UsageError, withEngine } from '../context.ts';
import { findCluster, findHost } from '../find.ts';
import { resolveStateDir } from '../state-dir.ts';
import { table } from '../table.ts';
import { askAtTerminal } from '../terminal.ts';
import { giveSudoPassword } from './plan.ts';

interface AdoptOptions {
  readonly host: string[];
  readonly cluster?: string;
  readonly authority?: string;
  readonly yes?: boolean;
  readonly sudoPasswordStdin?: boolean;
}

/** Adds the three words to `synod cluster`. */
export function addAdoptCommands(program: Command, cluster: Command): void {
  const inEngine = <T>(work: (client: EngineClient) => Promise<T>) =>
    withEngine(resolveStateDir(program.opts<GlobalOptions>().state), work);
  const collect = (value: string, before: string[]) => [...before, value];

  cluster
    .command('adopt')
    .description('take over a cluster of another console, or what another console changed, from what its hosts keep')
    .requiredOption(
      '--host <name>',
      'a host of the fleet that carries one of its nodes; may be given again',
      collect,
      [],
    )
    .option('--cluster <name>', 'which one, where the hosts carry several')
    .option('--authority <SHA256:…>', 'the fingerprint of its authority, as export-keys shows it')
    .option('--yes', 'take over what is found')
    .option('--sudo-password-stdin', "sudo's password for the hosts whose sudo asks, read from stdin")
    .addHelpText(
      'after',
      '\nExit codes: 0 taken over, or nothing to take over; 2 shown only, agree with --yes; 1 failed.',
    )
    .action(async (given: AdoptOptions) => {
      await inEngine(async (client) => {
        if (given.sudoPasswordStdin) await giveSudoPassword(client);
        await adopt(client, program.opts(), given);
      });
    });

  cluster
    .command('export-keys')
    .argument('<name>')
    .description("write the key of the cluster's authority to a file for another console, sealed by a passphrase")
    .requiredOption('--out <file>', 'must not exist yet; its mode is 0600')
    .option('--passphrase-stdin', 'read the passphrase from stdin instead of asking')
    .action(async (name: string, given: { out: string; passphraseStdin?: boolean }) => {
      await inEngine(async (client) => {
        const { clusterId } = findCluster(await client.fleet.get(), name);
        const passphrase = await newPassphrase(given.passphraseStdin === true);
        const { sealed, authority } = await client.clusters.exportKeys({ clusterId, passphrase });
        await writeFile(given.out, sealed, { mode: 0o600, flag: 'wx' }).catch((error: unknown) => {
          throw new UsageError(`${given.out} cannot be written: ${(error as Error).message}`);
        });
        printResult(
          program.opts(),
          { ok: true, file: given.out, authority },
          () => `${given.out} has the key of ${name}, sealed. The authority is ${authority}.`,
        );
      });
    });

  cluster
    .command('import-keys')
    .argument('<file>')
    .description('take the key of a cluster from a file of export-keys, before or after the cluster was adopted')
    .option('--passphrase-stdin', 'read the passphrase from stdin instead of asking')
    .action(async (file: string, given: { passphraseStdin?: boolean }) => {
      await inEngine(async (client) => {
        const sealed = await readFile(file, 'utf8').catch((error: unknown) => {
          throw new UsageError(`${file} cannot be read: ${(error as Error).message}`);
        });
        const passphrase = given.passphraseStdin ? await lineFromStdin() : await asked('Passphrase: ');
        const taken = await client.clusters.importKeys({ sealed, passphrase });
        printResult(
          program.opts(),
          { ok: true, ...taken },
          () => `This console has the key of ${taken.name} now. The authority is ${taken.authority}.`,
        );
      });
    });
}

async function adopt(client: EngineClient, options: GlobalOptions, given: AdoptOptions): Promise<void> {
  const fleet = await client.fleet.get();
  const hostIds = given.host.flatMap((names) => names.split(',')).map((name) => findHost(fleet, name.trim()).hostId);
  const request = { hostIds, cluster: given.cluster ?? null, authority: given.authority ?? null };
  const found = await client.clusters.lookToAdopt(request);
  if (!given.yes) {
    printResult(options, { ok: true, adopted: false, adoption: found }, () => describe(found));
    note('Nothing was taken over. Agree with --yes.');
    process.exitCode = planExitCodes.pending;
    return;
  }
  const adopted = await client.clusters.adopt({ ...request, digest: found.digest });
  printResult(options, { ok: true, adopted: true, adoption: { ...adopted, newHosts: found.newHosts } }, () =>
    [describe(found), `${adopted.name} is taken over.`].join('\n'),
  );
  for (const { name } of found.newHosts)
    note(
      `${name} was added; trust its key (synod host trust ${name}), then adopt again to take over its certificates.`,
    );
}

const standings: Readonly<Record<Adoption['standing'], string>> = {
  new: 'new to this console',
  behind: 'changed by another console since this one knew it',
  same: 'as this console knows it',
};

function describe(found: Adoption): string {
  const { lastOperation: last } = found;
  const when = new Date(last.startedAtUnixMs).toISOString();
  const believed = found.isAuthorityKnown ? 'known here' : 'first seen here: compare it with the other console';
  return [
    `${found.name} (${found.clusterId}), ${found.place} place, record ${found.sequence}: ${standings[found.standing]}`,
    `authority ${found.authority}, ${believed}`,
    found.hasKey
      ? 'its key is here: everything can be done from this console'
      : 'its key is not here: watching, restarting, moving leadership and taking down; for the rest see import-keys',
    `last: "${last.title}" by ${last.who} at ${when}: ${last.result}`,
    table(
      ['node', 'address', 'host', 'seen'],
      found.members.map((one) => [
        one.name,
        one.address,
        one.hostId === null ? `${one.host} (new)` : one.host,
        one.state,
      ]),
    ),
    ...found.differences.map((difference) => `differs: ${difference}`),
  ].join('\n');
}

async function newPassphrase(fromStdin: boolean): Promise<string> {
  const passphrase = fromStdin ? await lineFromStdin() : await asked('Passphrase for the file: ');
  const parsed = passphraseSchema.safeParse(passphrase);
  if (!parsed.success) throw new UsageError(parsed.error.issues[0]?.message ?? 'that passphrase does not do');
  if (!fromStdin && (await asked('Once more: ')) !== passphrase) throw new UsageError('the two are not the same');
  return passphrase;
}

async function asked(question: string): Promise<string> {
  if (!process.stdin.isTTY) throw new UsageError('there is no terminal to ask at; give --passphrase-stdin');
  return (await askAtTerminal(question, { echo: false })) ?? '';
}

async function lineFromStdin(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin) text += String(chunk);
  return text.split('\n')[0]?.replace(/\r$/, '') ?? '';
}
