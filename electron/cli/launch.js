#!/usr/bin/env node
/**
 * The `synod` command as a person starts it, on whatever Node they have (20 or later): installs the dependencies and builds
 * what is missing or out of date, then hands over to the real command under the pinned Node runtime. Plain JavaScript
 * without dependencies, because it runs before there are any.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const say = (text) => process.stderr.write(`synod: ${text}\n`);

/**
 * @param {string} text
 * @returns {never}
 */
function fail(text) {
  say(text);
  process.exit(1);
}

/** Runs a command with its output on stderr, so that stdout stays the command's own. */
function run(command, args, next) {
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  if (result.status !== 0) fail(`${command} ${args.join(' ')} ended with ${result.status ?? result.signal}. ${next}`);
}

/** One install or build at a time: a second start waits for the first. A holder that has died is not waited for. */
function withLock(work) {
  const lock = join(root, 'node_modules/.synod-setup.lock');
  mkdirSync(dirname(lock), { recursive: true });
  const deadline = Date.now() + 15 * 60_000;
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch {
      if (!holderLives(lock)) rmSync(lock, { force: true });
      else if (Date.now() > deadline)
        fail(`another start is still setting up (${lock}). Wait for it or remove the file.`);
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
  const free = () => rmSync(lock, { force: true });
  process.once('exit', free);
  try {
    work();
  } finally {
    free();
    process.removeListener('exit', free);
  }
}

function holderLives(lock) {
  try {
    process.kill(Number(readFileSync(lock, 'utf8')), 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

const lockDigest = () =>
  createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
const stamp = join(root, 'node_modules/.synod-installed');

function isInstalled() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === lockDigest();
}

function install() {
  say('installing the dependencies (once, about half a minute)');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel', 'error'], 'Check the network and run the command again.');
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, lockDigest());
}

/**
 * The pinned runtime where the platform has one as a package, else the Node that runs this file.
 * @returns {string}
 */
function runtime() {
  const packaged = join(root, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
  if (existsSync(packaged)) return packaged;
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  return fail(`there is no packaged Node runtime for ${process.platform}-${process.arch}. Install Node 24 or later.`);
}

function prepare({ build: wantsBuild }) {
  if (Number(process.versions.node.split('.')[0]) < 20)
    fail(`Node ${process.versions.node} is too old. Install 20 or later.`);
  const isCheckout = existsSync(join(root, 'package-lock.json'));
  if (!isCheckout) return;
  if (!isInstalled()) withLock(() => isInstalled() || install());
  if (!wantsBuild) return;
  const build = join(root, 'electron/build/build.ts');
  const fresh = () => spawnSync(runtime(), [build, '--is-fresh'], { cwd: root, stdio: 'ignore' }).status === 0;
  if (statSync(build).isFile() && !fresh()) {
    withLock(() => {
      if (fresh()) return;
      say('building (a few seconds)');
      run(runtime(), [build], 'The messages above say what does not compile.');
    });
  }
}

function handOver(args) {
  const node = runtime();
  const child = spawn(node, ['--disable-warning=ExperimentalWarning', join(root, 'dist/cli/synod.js'), ...args], {
    stdio: 'inherit',
  });
  // The terminal sends Ctrl-C to the whole group: the child ends in its own time, and this process waits for it.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal)));
  }
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
  child.on('error', (error) => fail(`cannot start ${node}: ${error.message}`));
}

// `--install-only` and `--prepare-only` (install and build) are for the npm scripts; everything else is a command.
const args = process.argv.slice(2);
prepare({ build: args[0] !== '--install-only' });
if (args[0] !== '--install-only' && args[0] !== '--prepare-only') handOver(args);
