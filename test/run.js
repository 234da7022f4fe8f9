/**
 * `npm test`: installs what is missing, builds, checks, and runs every test. Plain JavaScript, because it may run before
 * anything is installed. Where Debian's packages can be installed (root, apt-get) they are; elsewhere the tests that need
 * them say `skipped` with the reason.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const binaries = join(root, 'node_modules/.bin');

/** Debian package → a file that shows that it is there. */
const debianPackages = {
  chromium: '/usr/bin/chromium',
  'openssh-server': '/usr/sbin/sshd',
  'openssh-client': '/usr/bin/ssh',
  'etcd-client': '/usr/bin/etcdctl',
  'etcd-server': '/usr/bin/etcd',
};

function run(command, args) {
  process.stdout.write(`\n> ${command} ${args.join(' ')}\n`);
  const env = { ...process.env, PATH: `${binaries}:${process.env.PATH}` };
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env });
  return result.status ?? 1;
}

function must(command, args) {
  const status = run(command, args);
  if (status !== 0) process.exit(status);
}

function installDebianPackages() {
  const missing = Object.entries(debianPackages)
    .filter(([, file]) => !existsSync(file))
    .map(([name]) => name);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    process.stdout.write(`Without ${missing.join(', ')} some tests are skipped.\n`);
    return;
  }
  must('apt-get', ['update', '-qq']);
  // Policy: installing a package here must not start a service.
  must('env', [
    'DEBIAN_FRONTEND=noninteractive',
    'RUNLEVEL=1',
    'apt-get',
    'install',
    '-y',
    '-qq',
    '--no-install-recommends',
    ...missing,
  ]);
}

installDebianPackages();
must(process.execPath, ['electron/cli/launch.js', '--prepare-only']);
must('node', ['test/check.ts']);
must('vitest', ['run', ...process.argv.slice(2)]);
