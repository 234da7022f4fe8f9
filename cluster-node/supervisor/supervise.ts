/**
 * `synod-node supervise --node-dir DIR`: keeps the node of one folder running where the host has no service manager that
 * an ordinary user may use. It belongs to nobody: started in a session of its own, it outlives the SSH session and the
 * console, and is spoken to on a unix socket in the node's folder.
 *
 * Two nodes on one data folder would break their promises, so: one supervisor a folder, held by a lock that the kernel
 * drops with the process; and a supervisor that starts first looks for a node that an earlier one left running, and
 * watches that one instead of starting another.
 */
import { realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nodeLayout } from '../contract/host-layout.ts';
import { takeFileLock } from '../storage/file-lock.ts';
import { assertSocketPath, serveControl } from './control.ts';
import { NodeKeeper } from './node-keeper.ts';
import { appendSupervisorLine, defaultLogBounds, turnLogOver } from './node-log.ts';
import { identify } from './process-identity.ts';
import { defaultRestartPolicy } from './restart-policy.ts';
import { findNode, removeRecord, writeRecord } from './run-records.ts';

const LOG_CHECK_MS = 2_000;
/** A node that leads hands over and syncs in far less. */
const STOP_GRACE_MS = 5_000;

/** Exit codes of the supervisor: 0 stopped on request, 1 failed, 2 wrong use, 3 another one supervises this folder. */
export const ALREADY_SUPERVISED_EXIT_CODE = 3;

/** `argv` is what follows `supervise`. Resolves with the exit code when the supervisor was stopped. */
export async function runSupervisor(argv: readonly string[]): Promise<number> {
  const nodeDir = parseNodeDir(argv);
  if (nodeDir === null) return 2;
  process.umask(0o077);
  const socketPath = join(nodeDir, nodeLayout.supervisorSocket);
  assertSocketPath(socketPath);
  const lock = takeFileLock(join(nodeDir, nodeLayout.supervisorLock));
  if (!lock) {
    complain(`another supervisor already keeps ${nodeDir}`);
    return ALREADY_SUPERVISED_EXIT_CODE;
  }
  const keeper = new NodeKeeper({ nodeDir, policy: defaultRestartPolicy, stopGraceMs: STOP_GRACE_MS });
  recordSelf(nodeDir);

  await serveUntilStopped(nodeDir, socketPath, keeper);
  removeRecord(nodeDir, 'supervisor');
  lock.release();
  return 0;
}

function recordSelf(nodeDir: string): void {
  const self = identify(process.pid);
  try {
    if (self) writeRecord(nodeDir, 'supervisor', self);
  } catch (error) {
    // On a full disk the node's own reason is worth more than this one: it says so on the socket.
    appendSupervisorLine(join(nodeDir, nodeLayout.logFile), 'warn', `its pid could not be recorded: ${String(error)}`);
  }
}

async function serveUntilStopped(nodeDir: string, socketPath: string, keeper: NodeKeeper): Promise<void> {
  const stopped = Promise.withResolvers<void>();
  const stop = async () => {
    await keeper.stop();
    // After the answer is written: closing comes next.
    setImmediate(stopped.resolve);
    return {};
  };
  // Before anyone can ask for anything: a `stop` must find the node that is there, a `restart` must not start a second one.
  const leftRunning = await findNode(nodeDir);
  // The lock is held: a socket file that is here is a dead supervisor's.
  rmSync(socketPath, { force: true });
  const control = await serveControl(socketPath, {
    status: () => keeper.status(),
    restart: () => keeper.restart(),
    kill: () => ({ killedPid: keeper.kill() }),
    stop,
  });
  // In the same turn as it listens: no call comes in between.
  if (leftRunning) keeper.adopt(leftRunning);
  else keeper.start();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop());
  process.on('SIGHUP', () => {});
  const logPath = join(nodeDir, nodeLayout.logFile);
  const logCheck = setInterval(() => {
    turnLogOver(logPath, defaultLogBounds).catch((error) =>
      appendSupervisorLine(logPath, 'warn', `the log could not be turned over: ${String(error)}`),
    );
  }, LOG_CHECK_MS);
  await stopped.promise;
  clearInterval(logCheck);
  await control.close();
}

function parseNodeDir(argv: readonly string[]): string | null {
  try {
    const { values } = parseArgs({ args: [...argv], options: { 'node-dir': { type: 'string' } } });
    if (values['node-dir'] === undefined) throw new Error('--node-dir DIR is missing');
    return realpathSync(values['node-dir']);
  } catch (error) {
    complain((error as Error).message);
    return null;
  }
}

function complain(message: string): void {
  process.stderr.write(`synod-node supervise: ${message}\n`);
}
