/**
 * Hosts on this computer, without root and without containers: every host is an SSH server on a loopback address of its own, with
 * its own host key and its own home folder. To the rest of Synod they are hosts like any other. One detached process serves them
 * all; what is started on them with setsid outlives it, as it would outlive sshd. Everything a lab has lies below its root, and
 * everything it runs carries its root in the environment, so that taking it down finds all of it and nothing else.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { failureOf } from '../operations/failure.ts';
import { newKeyPair } from '../ssh/key-pair.ts';
import { fingerprintOf, knownHostName } from '../ssh/known-hosts.ts';
import { withLabLock } from './lab-lock.ts';
import { endLabProcesses, findLabServer, labRootOf } from './lab-processes.ts';
import {
  isLabRoot,
  LAB_ROOT_VARIABLE,
  type LabHost,
  type LabState,
  LONGEST_ROOT_BYTES,
  labLayout,
  makeRoot,
  readIfPresent,
  readLabState,
  replaceFile,
  writeJson,
} from './lab-state.ts';
import { addressOfHost, randomPort } from './ports.ts';
import { isAlive, signalProcess } from './process-identity.ts';
import { type ListeningReport, type ServerReport, serverReportSchema } from './server-report.ts';

export interface LabServerProgram {
  /** Node 24, or Electron with ELECTRON_RUN_AS_NODE in `env`. */
  execPath: string;
  /** `server-main.ts`, or its bundle. */
  script: string;
  env?: Record<string, string> | undefined;
}

export interface LabUpOptions {
  /** Made when missing; must be empty or a lab. At most 55 bytes long: unix sockets lie below it. */
  root: string;
  /** At least so many, 1 to 99; hosts that the lab has already are kept. */
  hosts: number;
  server: LabServerProgram;
}

export interface LabStatus {
  running: boolean;
  /** null: the server is not running. */
  serverPid: number | null;
  /** null: there is no lab at this root. */
  state: LabState | null;
}

const SERVER_START_TIMEOUT_MS = 15_000;

/**
 * Makes the lab or brings it back as it was: same keys, homes and, where they are still free, ports. Does nothing to one that runs
 * with enough hosts.
 */
export async function labUp(options: LabUpOptions): Promise<LabState> {
  if (!Number.isInteger(options.hosts) || options.hosts < 1 || options.hosts > 99) {
    throw new RangeError(`a lab has 1 to 99 hosts, not ${options.hosts}`);
  }
  for (;;) {
    const root = await makeRoot(resolve(options.root));
    checkLength(root);
    const state = await withLabLock(labLayout(root).lock, async () => await bringUp(root, options));
    // The lab was being taken down, its folder and our place in the queue with it.
    if (state !== null) return state;
  }
}

function checkLength(root: string): void {
  if (Buffer.byteLength(root) > LONGEST_ROOT_BYTES) {
    throw new Error(
      `${root} is too long for the unix sockets below it: give a lab folder of ${LONGEST_ROOT_BYTES} bytes or fewer`,
    );
  }
}

async function bringUp(root: string, options: LabUpOptions): Promise<LabState> {
  await makeRoot(root);
  const state = await withHosts(root, await readLabState(root), options.hosts);
  const running = await runningServer(root);
  if (running !== null && serves(running, state)) return state;
  await writeState(state);
  if (running !== null) await stopServer(running);
  const listening = await startServer(state, options.server);
  const ports = new Map(listening.hosts.map((host) => [host.name, host.sshPort]));
  const hosts = state.hosts.map((host) => ({ ...host, sshPort: ports.get(host.name) ?? host.sshPort }));
  const served = { ...state, hosts };
  await writeState(served);
  return served;
}

/** What there is, without changing it. */
export async function labStatus(root: string): Promise<LabStatus> {
  const asked = resolve(root);
  const real = await realpath(asked).catch(() => asked);
  const state = await readLabState(real);
  const server = await runningServer(real);
  return { running: server !== null, serverPid: server?.identity.pid ?? null, state };
}

/**
 * Ends everything that runs on the lab's hosts and removes the root with all homes. Does nothing where there is no lab. Throws
 * FailureError `labCopied`, with nothing done, at the copy of one.
 */
export async function labDown(root: string): Promise<{ removed: boolean; processesEnded: number }> {
  const asked = resolve(root);
  // Not as lab.json has it: that may be damaged, and what is removed is what was named.
  const real = await realpath(asked).catch(() => asked);
  if (!existsSync(real)) return { removed: false, processesEnded: await endLabProcesses(real) };
  if (!(await isLabRoot(real))) throw new Error(`${real} is not a lab of Synod: nothing was removed`);
  await readLabState(real).catch((error) => {
    if (failureOf(error).kind !== 'labUnreadable') throw error;
  });
  const done = await withLabLock(labLayout(real).lock, async () => {
    const server = await runningServer(real);
    if (server !== null) await stopServer(server);
    const ended = await endLabProcesses(real);
    if (await isLabRoot(real)) await rm(real, { recursive: true, force: true, maxRetries: 3 });
    return { removed: true, processesEnded: ended + (server === null ? 0 : 1) };
  });
  return done ?? { removed: false, processesEnded: 0 };
}

async function withHosts(root: string, before: LabState | null, count: number): Promise<LabState> {
  const layout = labLayout(root);
  await mkdir(layout.keys, { recursive: true, mode: 0o700 });
  await publicKeyAt(layout.clientKey, 'synod-lab');
  const state: LabState = before ?? {
    root,
    hosts: [],
    user: userInfo().username,
    clientKeyPath: layout.clientKey,
    knownHostsPath: layout.knownHosts,
  };
  const hosts = [...state.hosts];
  for (let number = hosts.length + 1; number <= count; number += 1) hosts.push(await makeHost(root, number));
  return { ...state, hosts };
}

async function makeHost(root: string, number: number): Promise<LabHost> {
  const layout = labLayout(root);
  const name = `host-${number}`;
  const home = layout.home(name);
  await mkdir(home, { recursive: true, mode: 0o700 });
  const hostPublicKey = await publicKeyAt(layout.hostKey(name), name);
  const wireKey = Buffer.from(hostPublicKey.split(' ')[1] ?? '', 'base64');
  const address = await addressOfHost(number);
  return { name, address, sshPort: randomPort(), home, hostKeyFingerprint: fingerprintOf(wireKey), hostPublicKey };
}

/** The public half of the key at `path`, "type base64"; makes the pair if it is not there. */
async function publicKeyAt(path: string, comment: string): Promise<string> {
  const present = await readIfPresent(`${path}.pub`);
  if (present !== null) return present.trim().split(' ').slice(0, 2).join(' ');
  const pair = newKeyPair(comment);
  await writeFile(path, pair.private, { mode: 0o600 });
  // The public half last: where it is, the private one is complete.
  await writeFile(`${path}.pub`, `${pair.public}\n`, { mode: 0o600 });
  return pair.public.split(' ').slice(0, 2).join(' ');
}

async function writeState(state: LabState): Promise<void> {
  await writeJson(labLayout(state.root).state, state);
  const lines = state.hosts.map(
    (host) => `${knownHostName({ address: host.address, port: host.sshPort })} ${host.hostPublicKey}\n`,
  );
  await replaceFile(state.knownHostsPath, lines.join(''));
}

type RunningServer = Pick<ListeningReport, 'identity' | 'hosts'>;

/** null: none. One that left no report that can be read is found by its marker; what it serves is not known then. */
async function runningServer(root: string): Promise<RunningServer | null> {
  const report = parseReport((await readIfPresent(labLayout(root).server)) ?? '');
  if (report?.kind === 'listening' && (await isAlive(report.identity))) {
    // A copy of a lab's folder names the server of the original.
    const owner = await labRootOf(report.identity.pid);
    if (owner === null || owner === root) return report;
  }
  const identity = await findLabServer(root);
  return identity === null ? null : { identity, hosts: [] };
}

function parseReport(text: string): ServerReport | null {
  try {
    return serverReportSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

function serves(report: RunningServer, state: LabState): boolean {
  return state.hosts.every((host) =>
    report.hosts.some((served) => served.name === host.name && served.sshPort === host.sshPort),
  );
}

async function stopServer(server: RunningServer): Promise<void> {
  const startedAt = performance.now();
  await signalProcess(server.identity, 'SIGTERM');
  while (await isAlive(server.identity)) {
    if (performance.now() - startedAt > 2000) await signalProcess(server.identity, 'SIGKILL');
    await delay(10);
  }
}

async function startServer(state: LabState, program: LabServerProgram): Promise<ListeningReport> {
  const { serverLog } = labLayout(state.root);
  const log = await open(serverLog, 'a', 0o600);
  const environment = { PATH: process.env['PATH'], HOME: process.env['HOME'], [LAB_ROOT_VARIABLE]: state.root };
  const server = spawn(program.execPath, [program.script, state.root], {
    cwd: state.root,
    detached: true,
    stdio: ['ignore', log.fd, log.fd, 'ipc'],
    env: { ...environment, ...program.env },
  });
  await log.close();
  const problem = await Promise.race([
    once(server, 'message', { signal: AbortSignal.timeout(SERVER_START_TIMEOUT_MS) }).then(([message]) => {
      const report = serverReportSchema.parse(message);
      return report.kind === 'listening' ? report : report.problem;
    }),
    once(server, 'exit').then(([code]) => `it ended with exit code ${code}`),
  ]).catch((error: Error) => error.message);
  server.unref();
  if (server.connected) server.disconnect();
  if (typeof problem !== 'string') return problem;
  server.kill('SIGKILL');
  const said = (await readFile(serverLog, 'utf8').catch(() => '')).trim().split('\n').at(-1) ?? '';
  throw new Error(
    `the lab's server did not start: ${problem} ${said} (log: ${serverLog}). Run it again, or take the lab down.`,
  );
}
