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
  'gnome-keyring': '/usr/bin/gnome-keyring-daemon',
  'libsecret-tools': '/usr/bin/secret-tool',
  'dbus-daemon': '/usr/bin/dbus-run-session',
};

/** The same for the lab of hosts (docs/lab.md), which some machines cannot run anyway. */
const labPackages = {
  debootstrap: '/usr/sbin/debootstrap',
  'systemd-container': '/usr/bin/systemd-nspawn',
  nftables: '/usr/sbin/nft',
  iproute2: '/usr/bin/ip',
  'python3-fusepy': '/usr/lib/python3/dist-packages/fusepy.py',
  zstd: '/usr/bin/zstd',
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

function missingOf(packages) {
  return Object.entries(packages).flatMap(([name, file]) => (existsSync(file) ? [] : [name]));
}

/** Policy: installing a package here must not start a service. */
function install(names) {
  if (names.length === 0) return 0;
  const settings = ['DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1'];
  return run('env', [...settings, 'apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...names]);
}

function installDebianPackages() {
  const missing = missingOf(debianPackages);
  const missingForLab = missingOf(labPackages);
  if (missing.length + missingForLab.length === 0) return;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    process.stdout.write(`Without ${[...missing, ...missingForLab].join(', ')} some tests are skipped.\n`);
    return;
  }
  must('apt-get', ['update', '-qq']);
  if (install(missing) !== 0) process.exit(1);
  install(missingForLab);
}

installDebianPackages();
must(process.execPath, ['electron/cli/launch.js', '--prepare-only']);
must('node', ['test/check.ts']);
// Built before the tests, whose time is limited. Where it cannot be, the tests that stand on it are skipped with that reason.
if (run('node', ['test/lab/main.ts', 'prepare']) !== 0)
  process.env.SYNOD_LAB_OBSTACLE = 'the root file system of the hosts could not be built';
must('vitest', ['run', ...process.argv.slice(2)]);
