/**
 * `npm run lab -- COMMAND`: a lab by hand. It stays up until `down`, also when the terminal is closed. Exits 0 when done, 1 when not, 2
 * on wrong use; `ssh` exits as the command did.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { COMMANDS, USAGE } from './commands.ts';
import type { HostOptions } from './host-options.ts';
import { PASSWORD, STRICT } from './host-options.ts';
import { openLab, startLab, takeDown } from './lab.ts';
import { readLabs } from './lab-state.ts';
import { labObstacle } from './obstacle.ts';
import { rootFileSystem } from './root-file-system.ts';

const DEFAULT_NAME = 'lab';
const DEFAULT_HOSTS = 5;

class WrongUse extends Error {}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  if (error instanceof WrongUse) process.stderr.write(USAGE);
  process.exitCode = error instanceof WrongUse ? 2 : 1;
}

async function main(argv: readonly string[]): Promise<number> {
  const [command = '', ...rest] = argv;
  if (command === 'up') return await up(rest);
  if (command === 'prepare') return await prepare();
  const { name, args } = takeName(rest);
  if (command === 'down') return await down(name);
  if (command === 'status') return await status();
  if (command === 'ssh') return await ssh(name, args);
  const fault = COMMANDS[command];
  if (fault === undefined) throw new WrongUse(command === '' ? 'Say what to do.' : `There is no command "${command}".`);
  await fault(await openLab(name), args);
  return 0;
}

async function up(argv: readonly string[]): Promise<number> {
  const { values } = parse(argv);
  const startedMs = performance.now();
  const each: HostOptions = {
    ...(values.strict ? STRICT : {}),
    ...(values['slow-cables'] ? { cable: 'slow' } : {}),
    ...(values['movable-clock'] ? { movableClock: true } : {}),
    ...(values.light ? { kind: 'light' } : {}),
  };
  const count = values.hosts === undefined ? DEFAULT_HOSTS : Number(values.hosts);
  if (!Number.isSafeInteger(count) || count < 1) throw new WrongUse('--hosts takes a number from 1');
  const hosts = Array.from({ length: count }, (_, index): HostOptions => {
    if (!values.bastion) return each;
    return index === 0 ? { ...each, segment: 'both' } : { ...each, segment: 'back' };
  });
  const lab = await startLab({ hosts, name: values.name, endsWithOwner: false });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  for (const host of lab.hosts) write(`${host.name}  ${host.address}  ${host.fingerprints.join(' ')}`);
  write(
    `key ${lab.keyPath}, known hosts ${lab.knownHostsPath}; users root, ops, deploy, plain (password ${PASSWORD}); ${seconds} s`,
  );
  return 0;
}

/** For tests before they run. Where no lab can run there is nothing to prepare. */
async function prepare(): Promise<number> {
  const obstacle = labObstacle();
  write(obstacle === null ? await rootFileSystem() : `No lab here: ${obstacle}.`);
  return 0;
}

async function down(name: string): Promise<number> {
  if (!readLabs().some((lab) => lab.name === name)) throw new Error(`There is no lab "${name}" here.`);
  await takeDown(name);
  return 0;
}

async function status(): Promise<number> {
  const labs = readLabs();
  if (labs.length === 0) write('no lab is here');
  for (const { name } of labs) {
    const lab = await openLab(name).catch(() => null);
    if (lab === null) write(`${name}: its owner ended; the next start of a lab, or down --name ${name}, removes it`);
    for (const host of lab?.hosts ?? []) {
      const answer = host.isOn ? (await host.tryRoot('uptime --pretty; systemctl is-system-running')).stdout : 'off';
      write(`${name}  ${host.name}  ${host.address}  ${answer.trim().replaceAll('\n', ', ')}`);
    }
  }
  return 0;
}

async function ssh(name: string, args: readonly string[]): Promise<number> {
  const [target = '', ...command] = args;
  // `ssh 2` or `ssh root@2`.
  const [user, number] = target.includes('@') ? (target.split('@') as [string, string]) : ['ops', target];
  const host = (await openLab(name)).host(Number(number));
  const child = spawn('ssh', [...host.sshArguments(user), ...command], { stdio: 'inherit' });
  const [code] = (await once(child, 'close')) as [number | null];
  return code ?? 1;
}

/** `--name` may stand anywhere before a command that is for a host. */
function takeName(argv: readonly string[]): { name: string; args: readonly string[] } {
  if (argv[0] === '--name' && argv[1] !== undefined) return { name: argv[1], args: argv.slice(2) };
  return { name: DEFAULT_NAME, args: argv };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        hosts: { type: 'string' },
        name: { type: 'string', default: DEFAULT_NAME },
        light: { type: 'boolean', default: false },
        bastion: { type: 'boolean', default: false },
        strict: { type: 'boolean', default: false },
        'slow-cables': { type: 'boolean', default: false },
        'movable-clock': { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new WrongUse(error instanceof Error ? error.message : String(error));
  }
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}
