import { type Command, InvalidArgumentError } from 'commander';
import { type GlobalOptions, printResult, UsageError, withEngine } from '../context.ts';
import { follow } from '../follow.ts';
import { resolveStateDir } from '../state-dir.ts';
import { table } from '../table.ts';

/** A whole number within [min, max], for commander. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(`give a whole number from ${min} to ${max}.`);
    return value;
  };
}

/** `synod lab up|down|status`: SSH hosts on this computer. */
export function addLabCommands(program: Command): void {
  const lab = program.command('lab').description('SSH hosts on this computer, to try things on');

  lab
    .command('up')
    .description('start the hosts and add them to the fleet')
    .option('--hosts <n>', 'how many', wholeNumber(1, 9), 3)
    .action(async (given: { hosts: number }) => {
      const options = program.opts<GlobalOptions>();
      await withEngine(resolveStateDir(options.state), async (client) => {
        await follow(client, (await client.lab.up({ hosts: given.hosts })).operationId);
        const status = await client.lab.status();
        printResult(options, { ok: true, ...status }, () => describeLab(status));
      });
    });

  lab
    .command('status')
    .description('which hosts run, and what is left of them')
    .action(async () => {
      const options = program.opts<GlobalOptions>();
      await withEngine(resolveStateDir(options.state), async (client) => {
        const status = await client.lab.status();
        printResult(options, { ok: true, ...status }, () => describeLab(status));
      });
    });

  lab
    .command('down')
    .description('stop the hosts and delete them with the nodes and data on them')
    .option('--confirm <word>', 'must be "lab"')
    .action(async (given: { confirm?: string }) => {
      const options = program.opts<GlobalOptions>();
      await withEngine(resolveStateDir(options.state), async (client) => {
        const before = await client.lab.status();
        if (before.hosts.length === 0 && before.residue.length === 0) {
          printResult(options, { ok: true, residue: [] }, () => 'There is no lab on this computer; nothing to do.');
          return;
        }
        if (given.confirm !== 'lab')
          throw new UsageError('this deletes the lab hosts with all nodes and data on them; agree with --confirm lab');
        const operation = await follow(client, (await client.lab.down({ confirm: 'lab' })).operationId);
        const { residue } = await client.lab.status();
        printResult(options, { ok: residue.length === 0, residue }, () => operation.outcome ?? 'The lab is gone.');
        if (residue.length > 0) process.exitCode = 1;
      });
    });
}

function describeLab(status: {
  running: boolean;
  hosts: { name: string; address: string; port: number; running: boolean; home: string }[];
  residue: string[];
}): string {
  if (status.hosts.length === 0)
    return ['No lab on this computer.', ...status.residue.map((left) => `left: ${left}`)].join('\n');
  return table(
    ['host', 'address', 'state', 'home'],
    status.hosts.map((host) => [
      host.name,
      `${host.address}:${host.port}`,
      host.running ? 'running' : 'stopped',
      host.home,
    ]),
  );
}
